"""Sets of characters, as ranges of code points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Range = tuple[int, int]

_LAST = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)


@dataclass(frozen=True)
class CharSet:
    """Code points as inclusive ranges: sorted, not adjacent, and without surrogates."""

    ranges: tuple[Range, ...]

    @classmethod
    def of(cls, ranges: Iterable[Range]) -> CharSet:
        return cls(_gaps(_gaps([*ranges])))

    @classmethod
    def chars(cls, text: str) -> CharSet:
        return cls.of((ord(char), ord(char)) for char in text)

    @classmethod
    def between(cls, first: str, last: str) -> CharSet:
        return cls.of([(ord(first), ord(last))])

    def __or__(self, other: CharSet) -> CharSet:
        return CharSet.of([*self.ranges, *other.ranges])

    def __and__(self, other: CharSet) -> CharSet:
        return ~(~self | ~other)

    def __sub__(self, other: CharSet) -> CharSet:
        return self & ~other

    def __invert__(self) -> CharSet:
        return CharSet(_gaps(self.ranges))

    def single(self) -> str | None:
        """The character if the set has exactly one, otherwise None."""
        if len(self.ranges) == 1 and self.ranges[0][0] == self.ranges[0][1]:
            return chr(self.ranges[0][0])
        return None

    def __iter__(self) -> Iterator[str]:
        return (chr(code) for first, last in self.ranges for code in range(first, last + 1))


def _gaps(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The code points outside the ranges, without surrogates."""
    gaps, start = [], 0
    for first, last in sorted([*ranges, _SURROGATES]):
        if start < first:
            gaps.append((start, first - 1))
        start = max(start, last + 1)
    if start <= _LAST:
        gaps.append((start, _LAST))
    return tuple(gaps)


ANY = CharSet.of([(0, _LAST)])
