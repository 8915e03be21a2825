"""Texts in other styles: as people write in a hurry, in capitals, or to get past a filter."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from moderation.texts import LabelledText

STARTS: tuple[str, ...] = (
    "Hello! ",
    "Please, ",
    "Quick question. ",
    "Good evening, everybody. ",
    "lol ",
    "ok so ",
)
STARTS += ("I just got home from work and made some tea. ", "Dear all, ", "As I said before: ")
_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "$5", "t": "7", "l": "1"}


def lower(text: str, chooser: random.Random) -> str:
    return "".join(letter for letter in text.lower() if letter not in ".,!?;:'\"")


def upper(text: str, chooser: random.Random) -> str:
    return text.upper()


def misspelt(text: str, chooser: random.Random) -> str:
    """One in four longer words with a letter left out, doubled or swapped."""
    words = text.split(" ")
    for index, word in enumerate(words):
        if len(word) > 3 and chooser.random() < 0.25:
            at = chooser.randrange(1, len(word) - 1)
            changed = (word[at + 1] + word[at], word[at] * 2 + word[at + 1], word[at + 1])
            words[index] = word[:at] + chooser.choice(changed) + word[at + 2 :]
    return " ".join(words)


def leet(text: str, chooser: random.Random) -> str:
    return "".join(
        chooser.choice(_LEET[letter]) if letter in _LEET and chooser.random() < 0.6 else letter
        for letter in text
    )


def spaced(text: str, chooser: random.Random) -> str:
    """One in three longer words as separate letters."""
    sign = chooser.choice(" .-")
    return " ".join(
        sign.join(word) if len(word) > 3 and chooser.random() < 0.35 else word
        for word in text.split(" ")
    )


def introduced(text: str, chooser: random.Random) -> str:
    return chooser.choice(STARTS) + text


def between(text: str, others: Sequence[str], chooser: random.Random) -> str:
    """The text with one to three of the others before and after it."""
    before, after = chooser.choice(((1, 0), (0, 1), (1, 1), (2, 1), (1, 2)))
    parts = chooser.sample(others, before + after)
    return " ".join([*parts[:before], text, *parts[before:]])


Style = Callable[[str, random.Random], str]
STYLES: Sequence[Style] = (lower, upper, misspelt, leet, spaced, introduced)
DISGUISES: Sequence[Style] = (misspelt, leet, spaced)


def restyled(texts: Sequence[LabelledText], *, every: int) -> Iterator[LabelledText]:
    """One in `every` of the texts, in one of the styles in turn."""
    for number, item in enumerate(texts[::every]):
        style = STYLES[number % len(STYLES)]
        changed = style(item.text, random.Random(item.text))
        yield LabelledText(changed, item.labels, f"{item.source}+{style.__name__}", item.group)
