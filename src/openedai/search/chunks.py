"""Divides texts into overlapping chunks that end where a paragraph, a sentence or a line does."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from openedai.search.words import units

Span = tuple[int, int]

# The most tokens that are embedded at once: every embedding model reads this many. A longer chunk
# has a vector for each of its parts.
PART_TOKENS = 256
# A chunk may be this much shorter to end at a better position.
_SLACK = 0.25
# The ends of chunks, from the best to the worst.
_ENDS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s|(?<=[。！？])"),
    re.compile(r"\n"),
)


class Divider:
    """Divides one text. Tokens are counted as in `units`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts, self._ends = array("i"), array("i")
        self._sums = array("i", [0])  # tokens before each unit
        for start, end, tokens in units(text):
            self._starts.append(start)
            self._ends.append(end)
            self._sums.append(self._sums[-1] + tokens)

    @property
    def tokens(self) -> int:
        return self._sums[-1]

    def spans(self, size: int, overlap: int) -> Iterator[Span]:
        """(start, end) of chunks of up to `size` tokens.

        Each begins at most `overlap` tokens before the end of the previous one.
        """
        first, count = 0, len(self._starts)
        while first < count:
            last = self._last(first, size)
            yield self._starts[first], self._ends[last - 1]
            if last == count:
                return
            first = self._next(first, last, overlap)

    def _last(self, first: int, size: int) -> int:
        """The unit after the last unit of a chunk."""
        count = len(self._starts)
        most = max(bisect_right(self._sums, self._sums[first] + size) - 1, first + 1)
        if most >= count:
            return count
        least = bisect_right(self._sums, self._sums[first] + int(size * (1 - _SLACK)))
        return self._best_end(max(least, first + 1), most) or most

    def _next(self, first: int, last: int, overlap: int) -> int:
        """The first unit of the next chunk: within the overlap, at the beginning of a sentence if
        there is one.
        """
        at = bisect_right(self._sums, self._sums[last] - overlap - 1)
        at = min(max(at, first + 1), last)
        if overlap == 0 or at == last:
            return at
        halfway = bisect_right(self._sums, self._sums[last] - overlap // 2 - 1)
        return self._first_start(at, min(halfway, last)) or at

    def _best_end(self, least: int, most: int) -> int | None:
        """The last unit from `least` to `most` that begins after the best end there."""
        begin, end = self._ends[least - 1], self._starts[most]
        for pattern in _ENDS:
            places = [found.end() for found in pattern.finditer(self._text, begin, end)]
            if places:
                return max(least, self._unit(places[-1]))
        return None

    def _first_start(self, least: int, most: int) -> int | None:
        begin, end = self._ends[least - 1], self._starts[most]
        for pattern in _ENDS[:2]:
            if (found := pattern.search(self._text, begin, end)) is not None:
                return max(least, self._unit(found.end()))
        return None

    def _unit(self, position: int) -> int:
        """The first unit that begins at a position of the text, or after it."""
        return bisect_right(self._starts, position - 1)


def divide(text: str, size: int, overlap: int) -> list[Span]:
    """The chunks of a text."""
    return list(Divider(text).spans(size, overlap))


def parts_of(text: str, spans: Sequence[Span]) -> tuple[list[str], list[int]]:
    """The texts that are embedded for the chunks, and for each the index of its chunk."""
    texts: list[str] = []
    owners: list[int] = []
    for index, (start, end) in enumerate(spans):
        chunk = text[start:end]
        for first, last in divide(chunk, PART_TOKENS, 0):
            texts.append(chunk[first:last])
            owners.append(index)
    return texts, owners
