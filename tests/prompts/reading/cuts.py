"""Ways to cut a text into pieces: a reader must not depend on them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import strategies as st


def cut(text: str, places: list[int]) -> list[str]:
    """The text in pieces that end at these places."""
    ends = sorted({min(place, len(text)) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(ends)]


def every_cut(text: str) -> Iterator[list[str]]:
    """Whole, character by character, and cut once at each position."""
    yield [text]
    yield list(text)
    for place in range(1, len(text)):
        yield [text[:place], text[place:]]


PLACES = st.lists(st.integers(0, 400), max_size=12)
