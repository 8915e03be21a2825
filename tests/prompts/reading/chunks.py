"""Ways to split a text into chunks, on which the result of a reader must not depend."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import strategies as st

POSITIONS = st.lists(st.integers(0, 400), max_size=12)


def split_at(text: str, positions: list[int]) -> list[str]:
    """The text in chunks that end at these positions."""
    ends = sorted({min(position, len(text)) for position in positions} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(ends)]


def all_splits(text: str) -> Iterator[list[str]]:
    """The whole text, its characters, and the text split in two at each position."""
    yield [text]
    yield list(text)
    for position in range(1, len(text)):
        yield [text[:position], text[position:]]
