"""Divides texts into the parts that are scored one by one, and puts disguised texts into plain
letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Longer than most of the texts that the classifier was trained on, and within the models' limits
# where each character is a token.
WINDOW_CHARACTERS = 360
_SENTENCE = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|\n+")
_WORD = re.compile(r"\S{1,60}")
_LETTERS = str.maketrans("013457@$!|€", "oieastasiie")
_MIXED = re.compile(r"(?<!\S)(?=\S*[A-Za-z])(?=\S*[013457@$!|€])[A-Za-z013457@$!|€*'-]{3,}(?!\w)")
_SPACED = re.compile(r"(?<!\w)(?:[A-Za-z][ ._*-]){3,}[A-Za-z](?!\w)")
_LONG_RUN = re.compile(r"([A-Za-z])\1{2,}")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


def windows(text: str, characters: int = WINDOW_CHARACTERS, joined: int | None = None) -> list[str]:
    """The text in parts of whole sentences, in order, each also without its disguise.

    A sentence that is longer than a window is divided between words. Sentences are put together
    up to so many characters, or those of `joined`.
    """
    parts = _parts(text, characters, joined or characters)
    plain = (undisguised(part) for part in parts)
    return list(dict.fromkeys([*parts, *plain])) or [text]


def undisguised(text: str) -> str:
    """The text with letters where digits and signs stand for them, and without spaces between the
    letters of a word, long runs of a letter and characters that cannot be seen.
    """
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    text = _SPACED.sub(lambda word: re.sub(r"[ ._*-]", "", word[0]), text)
    text = _MIXED.sub(_lettered, text)
    return _LONG_RUN.sub(r"\1\1", text)


def _lettered(word: re.Match[str]) -> str:
    """`k1ll` as `kill`; signs at the end, and numbers with a unit, stay."""
    found = word[0]
    core = found.rstrip("!|'-*")
    if not re.search(r"[A-Za-z]", core) or re.fullmatch(r"[\d|!]+[A-Za-z]{1,3}", core):
        return found
    return core.replace("11", "ll").translate(_LETTERS) + found[len(core) :]


def _parts(text: str, characters: int, joined: int) -> list[str]:
    parts: list[str] = []
    current = ""
    for sentence in _sentences(text, characters):
        if current and len(current) + len(sentence) >= joined:
            parts.append(current)
            current = ""
        current = f"{current} {sentence}" if current else sentence
    return [*parts, current] if current else parts


def _sentences(text: str, characters: int) -> Iterator[str]:
    """The sentences; those longer than a window are divided."""
    for sentence in _SENTENCE.split(text):
        if len(sentence) < characters:
            if sentence.strip():
                yield sentence.strip()
            continue
        piece = ""
        for word in _WORD.findall(sentence):
            if len(piece) + len(word) >= characters:
                yield piece
                piece = ""
            piece = f"{piece} {word}" if piece else word
        yield piece
