"""Finds lexemes that a greedy lexer would read past a possible end of another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from functools import reduce
from operator import or_

from openedai.grammars.gbnf_parser import (
    Alternation,
    Body,
    Concatenation,
    Repeat,
    RuleReference,
)
from openedai.grammars.lark.automata import Automata, Automaton, TooLarge

_MAX_WORK = 200_000


def wrong_lexemes(rules: Mapping[str, Body], lexemes: Set[Body], automata: Automata) -> set[Body]:
    """The lexemes that could continue, after a text that is also a complete lexeme, with a
    character that may follow that lexeme.

    All lexemes are assumed to be able to begin at the same position, so there may be false
    positives. Lexemes that are too large to be examined are included; single characters never are.
    """
    known, large = {}, set()
    for body in lexemes:
        try:
            known[body] = automata.of(body)
        except TooLarge:
            large.add(body)
    if large:
        return large
    following = _Following(rules, known).find()
    try:
        return _Union(known, following).wrong()
    except TooLarge:
        return {body for body in lexemes if len(known[body].masks) > 1}


class _Following:
    """Finds the characters that may follow each lexeme."""

    def __init__(self, rules: Mapping[str, Body], lexemes: Mapping[Body, Automaton]) -> None:
        self._rules = rules
        self._lexemes = lexemes
        self._first = dict.fromkeys(rules, 0)
        self._empty: set[str] = set()
        self._after_rule = dict.fromkeys(rules, 0)
        self._after_lexeme = dict.fromkeys(lexemes, 0)

    def find(self) -> dict[Body, int]:
        while self._grow_starts():
            pass
        while self._grow_ends():
            pass
        return self._after_lexeme

    def _grow_starts(self) -> bool:
        before = {**self._first}, len(self._empty)
        for name, body in [*self._rules.items()] * 2:
            self._first[name], empty = self._start(body)
            self._empty |= {name} if empty else set()
        return before != (self._first, len(self._empty))

    def _grow_ends(self) -> bool:
        before = {**self._after_rule}
        for name, body in [*self._rules.items()] * 2:
            self._follow(body, self._after_rule[name])
        return before != self._after_rule

    def _start(self, body: Body) -> tuple[int, bool]:
        """The characters that the body may begin with, and whether it may be empty."""
        if body in self._lexemes:
            automaton = self._lexemes[body]
            return _union(automaton.masks[place] for place in automaton.first), automaton.nullable
        match body:
            case RuleReference(name):
                return self._first[name], name in self._empty
            case Concatenation(items):
                first = 0
                for item in items:
                    mask, empty = self._start(item)
                    first |= mask
                    if not empty:
                        return first, False
                return first, True
            case Alternation(options):
                starts = [self._start(option) for option in options]
                return _union(mask for mask, _ in starts), any(empty for _, empty in starts)
            case Repeat(item, low):
                first, empty = self._start(item)
                return first, empty or low == 0
            case _:
                raise AssertionError(body)

    def _follow(self, body: Body, after: int) -> None:
        if body in self._lexemes:
            self._after_lexeme[body] |= after
            return
        match body:
            case RuleReference(name):
                self._after_rule[name] |= after
            case Concatenation(items):
                for item in reversed(items):
                    self._follow(item, after)
                    first, empty = self._start(item)
                    after = first | (after if empty else 0)
            case Alternation(options):
                for option in options:
                    self._follow(option, after)
            case Repeat(item, _, high):
                self._follow(item, after if high == 1 else after | self._start(item)[0])


class _Union:
    """The lexemes as one automaton, made deterministic as far as texts lead."""

    def __init__(self, lexemes: Mapping[Body, Automaton], following: Mapping[Body, int]) -> None:
        self._masks: list[int] = []
        self._follow: list[list[int]] = []
        self._next: list[int] = []
        self._after: list[int] = []  # what may follow the lexeme, if it can end at this position
        self._bodies: list[Body] = []
        self._first: list[int] = []
        for body, automaton in lexemes.items():
            start, after_lexeme = len(self._masks), following[body]
            self._first += [start + place for place in automaton.first]
            for place, (mask, follow) in enumerate(
                zip(automaton.masks, automaton.follow, strict=True)
            ):
                self._masks.append(mask)
                self._follow.append([start + after for after in follow])
                self._next.append(_union(automaton.masks[after] for after in follow))
                self._after.append(after_lexeme if place in automaton.last else 0)
                self._bodies.append(body)

    def wrong(self) -> set[Body]:
        """The wrong lexemes. Raises TooLarge."""
        found: set[Body] = set()
        pending = self._states(self._first)
        seen = {*pending}
        work = 0
        while pending:
            state = pending.pop()
            after = _union(self._after[place] for place in state)
            if after:
                found.update(self._bodies[place] for place in state if self._next[place] & after)
            following = {after for place in state for after in self._follow[place]}
            work += 1 + len(following)
            if work > _MAX_WORK:
                raise TooLarge
            new = {*self._states(following)} - seen
            seen |= new
            pending += new
        return found

    def _states(self, places: Iterable[int]) -> list[frozenset[int]]:
        """The sets of positions that the same character leads to, among those that may come
        next.
        """
        states: list[tuple[int, list[int]]] = []
        for place in places:
            rest = self._masks[place]
            for index, (mask, members) in enumerate(states):
                common = mask & rest
                if common:
                    rest &= ~common
                    states[index] = common, [*members, place]
                    if mask != common:
                        states.append((mask & ~common, members))
                if not rest:
                    break
            if rest:
                states.append((rest, [place]))
        return [frozenset(members) for _, members in states]


def _union(masks: Iterable[int]) -> int:
    return reduce(or_, masks, 0)
