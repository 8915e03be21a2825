"""Divides texts into sentences, each short enough to be spoken at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Seconds of silence after a part of the text.
CLAUSE_PAUSE = 0.1
SENTENCE_PAUSE = 0.3
PARAGRAPH_PAUSE = 0.6

_PARAGRAPH = re.compile(r"\n\s*\n")
_LINE = re.compile(r"\n")
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？]")
_CLAUSE = re.compile(r"[,;:—–)\]][\"'”’]*(?=\s)|[，、；：]")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“])(?:[A-Za-z]|(?:[A-Za-z]\.)+[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|approx|Inc"
    r"|Ltd|Co|No|Nos|vol|Vol|ch|fig|Fig|pp?|ca|cf|al|Gen|Col|Sgt|Capt|Lt|Rev|Hon|Gov|Sen|Rep|Jan"
    r"|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)$"
)


@dataclass(frozen=True)
class Sentence:
    """A sentence or a part of one, and the seconds of silence after it."""

    text: str
    pause: float = SENTENCE_PAUSE


def sentences(text: str, *, first: int, longest: int) -> Iterator[Sentence]:
    """The sentences of a text. None has more than `longest` characters; the first one has at most
    `first` if it can be divided between two words.
    """
    limit = min(first, longest)
    for paragraph in _PARAGRAPH.split(text):
        parts = [part for line in _LINE.split(paragraph) for part in _sentences(line)]
        for number, part in enumerate(parts, 1):
            pause = PARAGRAPH_PAUSE if number == len(parts) else SENTENCE_PAUSE
            *starts, end = _divided(part, limit, longest)
            yield from (Sentence(start, CLAUSE_PAUSE) for start in starts)
            yield Sentence(end, pause)
            limit = longest


def _sentences(line: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(line):
        if _ends_sentence(line, start, end):
            yield from _stripped(line[start : end.end()])
            start = end.end()
    yield from _stripped(line[start:])


def _stripped(text: str) -> Iterator[str]:
    if text := text.strip():
        yield text


def _ends_sentence(line: str, start: int, end: re.Match[str]) -> bool:
    """Whether a full stop ends a sentence: not in an abbreviation, nor before a word in lower
    case.
    """
    if not end[0].startswith("."):
        return True
    following = line[end.end() :].lstrip()[:1]
    if following.islower():
        return False
    return len(end[0]) > 1 or not _ABBREVIATION.search(
        line[max(start, end.start() - 12) : end.start()]
    )


def _divided(sentence: str, first: int, longest: int) -> Iterator[str]:
    """The sentence, divided between clauses, or else between words, where it is too long."""
    limit = first
    while len(sentence) > limit:
        cut = _cut(sentence, limit) or _cut(sentence, longest) or longest
        if cut >= len(sentence):
            break
        yield sentence[:cut].strip()
        sentence = sentence[cut:].strip()
        limit = longest
    yield sentence


def _cut(sentence: str, limit: int) -> int:
    """Where to divide within `limit` characters; 0 if nowhere."""
    if len(sentence) <= limit:
        return len(sentence)
    clauses = [end.end() for end in _CLAUSE.finditer(sentence, limit // 4, limit)]
    return clauses[-1] if clauses else max(0, sentence.rfind(" ", 1, limit + 1))
