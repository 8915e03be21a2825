"""Divides texts into words, to count tokens and to make the index of words.

Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese are written without spaces between words, or
with endings that change them: there each pair of neighbouring letters is a word of the index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Scripts whose runs of letters are taken apart.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff"
    "\u3005-\u3007\u3040-\u30ff\u3100-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc"
    "\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_UNSPACED}]+")
# Anything longer is not a word: it is divided.
_LONGEST = 48
_UNIT = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]{{1,{_LONGEST}}}|[^\w\s]")
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
# Letters of a word per token, in the vocabularies of most models.
_LATIN, _OTHER = 6, 2


def units(text: str) -> Iterator[tuple[int, int, int]]:
    """(start, end, tokens) of each word, sign and unspaced letter.

    The tokens are an estimate, which needs no model: a vocabulary has most short words as one.
    """
    for found in _UNIT.finditer(text):
        start, end = found.span()
        length = end - start
        if length == 1:
            yield start, end, 1
        else:
            letters = _LATIN if found[0].isascii() else _OTHER
            yield start, end, -(-length // letters)


def count_tokens(text: str) -> int:
    """The estimated tokens of a text."""
    return sum(tokens for _, _, tokens in units(text))


def indexed(text: str) -> str:
    """The text as it goes into the index of words; SQLite itself finds words between spaces."""
    return _RUN.sub(lambda run: f" {' '.join(_pairs(run[0]))} ", text)


def query_words(text: str) -> list[str]:
    """The different words of a query, as expressions of FTS5.

    A single unspaced letter is the beginning of a pair.
    """
    words: dict[str, None] = {}
    for found in _WORD.finditer(text.lower()):
        if _RUN.match(found[0]) is None:
            words[f'"{found[0]}"'] = None
        elif len(found[0]) == 1:
            words[f'"{found[0]}" *'] = None
        else:
            words |= dict.fromkeys(f'"{pair}"' for pair in _pairs(found[0]))
    return list(words)


def _pairs(run: str) -> list[str]:
    if len(run) == 1:
        return [run]
    return [run[at : at + 2] for at in range(len(run) - 1)]
