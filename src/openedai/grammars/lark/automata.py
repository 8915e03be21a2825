"""Automata for the regular parts of a grammar; their states are the positions of characters in
them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from openedai.grammars.charset import Range
from openedai.grammars.gbnf_parser import (
    Alternation,
    Body,
    Class,
    Concatenation,
    Repeat,
    RuleReference,
    Text,
    subexpressions,
)

_MAX_WORK = 20_000


class TooLarge(Exception):
    """The automaton would be too large."""


@dataclass
class Automaton:
    """For each position, `masks` has the set of its characters, numbered by `Alphabet`, and
    `follow` the positions after it. A text begins at the `first` positions and ends at the `last`.
    """

    masks: list[int]
    follow: list[set[int]]
    first: set[int]
    last: set[int]
    nullable: bool


class Alphabet:
    """Numbers the classes of characters that a grammar does not distinguish."""

    def __init__(self, rules: Mapping[str, Body]) -> None:
        bounds = {0}
        for body in chain.from_iterable(map(subexpressions, rules.values())):
            match body:
                case Text(text):
                    codes = set(map(ord, text))
                    bounds |= codes | {code + 1 for code in codes}
                case Class(chars):
                    bounds |= {bound for low, high in chars.ranges for bound in (low, high + 1)}
        self._bounds = sorted(bounds)

    def mask(self, ranges: Iterable[Range]) -> int:
        """The numbers of these characters as a bit set."""
        ends = [
            (bisect_left(self._bounds, low), bisect_left(self._bounds, high + 1))
            for low, high in ranges
        ]
        return sum((1 << end) - (1 << start) for start, end in ends)


class Automata:
    """The automata of bodies without recursion."""

    def __init__(self, rules: Mapping[str, Body]) -> None:
        self._rules = rules
        self._alphabet = Alphabet(rules)
        self._known: dict[Body, Automaton | None] = {}

    def of(self, body: Body) -> Automaton:
        """The automaton of a body. Raises TooLarge.

        Counts of repeats are left out: it may accept more texts than the body.
        """
        if body not in self._known:
            try:
                self._known[body] = _Builder(self._rules, self._alphabet).build(body)
            except (TooLarge, RecursionError):
                self._known[body] = None
        found = self._known[body]
        if found is None:
            raise TooLarge
        return found


class _Builder:
    """Builds a position automaton (Glushkov's)."""

    def __init__(self, rules: Mapping[str, Body], alphabet: Alphabet) -> None:
        self._rules = rules
        self._alphabet = alphabet
        self._masks: list[int] = []
        self._follow: list[set[int]] = []
        self._work = 0

    def build(self, body: Body) -> Automaton:
        first, last, nullable = self._add(body)
        return Automaton(self._masks, self._follow, first, last, nullable)

    def _add(self, body: Body) -> tuple[set[int], set[int], bool]:
        """Add a body. Returns its first and last positions, and whether it may be empty."""
        self._count(1)
        match body:
            case Text(text):
                self._count(len(text))
                return self._join([self._place([(ord(char), ord(char))]) for char in text])
            case Class(chars):
                return self._place(chars.ranges)
            case RuleReference(name):
                return self._add(self._rules[name])
            case Concatenation(items):
                return self._join([self._add(item) for item in items])
            case Alternation(options):
                added = [self._add(option) for option in options]
                first = {place for option in added for place in option[0]}
                last = {place for option in added for place in option[1]}
                return first, last, any(option[2] for option in added)
            case Repeat(item, low, high):
                if high == 0:
                    return set(), set(), True
                first, last, nullable = self._add(item)
                if high != 1:
                    self._connect(last, first)
                return first, last, nullable or low == 0

    def _place(self, ranges: Iterable[Range]) -> tuple[set[int], set[int], bool]:
        self._masks.append(self._alphabet.mask(ranges))
        self._follow.append(set())
        place = len(self._masks) - 1
        return {place}, {place}, False

    def _join(
        self, items: list[tuple[set[int], set[int], bool]]
    ) -> tuple[set[int], set[int], bool]:
        all_first, all_last, all_nullable = set[int](), set[int](), True
        for first, last, nullable in items:
            self._connect(all_last, first)
            all_first = all_first | first if all_nullable else all_first
            all_last = all_last | last if nullable else last
            all_nullable = all_nullable and nullable
        return all_first, all_last, all_nullable

    def _connect(self, before: set[int], after: set[int]) -> None:
        self._count(len(before) * len(after))
        for place in before:
            self._follow[place] |= after

    def _count(self, work: int) -> None:
        self._work += work
        if self._work > _MAX_WORK:
            raise TooLarge
