"""Divides a grammar into lexemes and rules, for a parser whose lexer is greedy.

llguidance enforces regular expressions, its lexemes, far faster than rules. Where several lexemes
may begin, its lexer reads on for as long as any of them can continue, and only then goes back to
the rules. That would change the language where a lexeme is complete and the rest of the grammar
accepts the next character too. So a grammar without recursion becomes one lexeme, and in others the
longest regular parts are lexemes, divided further until there is no such character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from openedai.grammars.gbnf_parser import (
    Alternation,
    Body,
    Class,
    Concatenation,
    Repeat,
    RuleReference,
    Text,
    references,
)
from openedai.grammars.lark.automata import Automata
from openedai.grammars.lark.lexeme_ends import wrong_lexemes

_ROUNDS = 10


@dataclass(frozen=True)
class Division:
    """The rules of a grammar that are not part of a lexeme, and the bodies in them that are
    lexemes.
    """

    rules: dict[str, Body]
    lexemes: set[Body]


def divide(rules: Mapping[str, Body], regular: Iterable[str]) -> Division:
    """Divide a grammar, whose start is the rule `root`. `regular` are the names of the rules
    without recursion.
    """
    return _Divider(rules, {*regular}).division()


class _Divider:
    def __init__(self, rules: Mapping[str, Body], regular: set[str]) -> None:
        self._rules = rules
        self._regular = regular
        self._divided: set[Body] = set()
        self._lexemes: set[Body] = set()
        self._only_chars = False

    def division(self) -> Division:
        if "root" in self._regular:
            root = RuleReference("root")
            return Division({"root": root}, {root})
        automata = Automata(self._rules)
        for _ in range(_ROUNDS):
            rules = self._divided_rules()
            wrong = wrong_lexemes(rules, self._lexemes, automata)
            if not wrong:
                return Division(rules, self._lexemes)
            self._divided |= wrong
            self._regular -= {body.name for body in wrong if isinstance(body, RuleReference)}
        self._regular.clear()
        self._only_chars = True
        return Division(self._divided_rules(), self._lexemes)

    def _divided_rules(self) -> dict[str, Body]:
        self._lexemes = set()
        return {
            name: self._divide(body)
            for name, body in self._rules.items()
            if name not in self._regular
        }

    def _divide(self, body: Body) -> Body:
        """The body with its lexemes as parts of their own, which are added to the lexemes."""
        if self._is_lexeme(body):
            self._lexemes.add(body)
            return body
        match body:
            case Text(text):
                return Concatenation(tuple(self._divide(Text(char)) for char in text))
            case Concatenation(items):
                return Concatenation(tuple(self._group(items, Concatenation)))
            case Alternation(options):
                lexemes_first = sorted(options, key=self._is_lexeme, reverse=True)
                return Alternation(tuple(self._group(lexemes_first, Alternation)))
            case Repeat(item, low, high):
                return Repeat(self._divide(item), low, high)
            case _:
                return body

    def _group(
        self, bodies: Iterable[Body], combine: Callable[[tuple[Body, ...]], Body]
    ) -> Iterator[Body]:
        """The bodies, divided, with adjacent lexemes joined where possible."""
        for are_lexemes, run in groupby(bodies, self._is_lexeme):
            members = tuple(run)
            whole = combine(members)
            if are_lexemes and len(members) > 1 and self._is_lexeme(whole):
                yield self._divide(whole)
            else:
                yield from map(self._divide, members)

    def _is_lexeme(self, body: Body) -> bool:
        if self._only_chars:
            return isinstance(body, Class) or (isinstance(body, Text) and len(body.text) < 2)
        return body not in self._divided and self._regular.issuperset(references(body))
