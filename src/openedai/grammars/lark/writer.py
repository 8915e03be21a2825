"""Translates grammars in GBNF to the Lark notation of llguidance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from openedai.grammars.charset import CharSet
from openedai.grammars.gbnf_check import check_gbnf
from openedai.grammars.gbnf_parser import (
    Alternation,
    Body,
    Class,
    Concatenation,
    Repeat,
    RuleReference,
    Text,
    in_order,
    references,
)
from openedai.grammars.lark.lexemes import Division, divide
from openedai.grammars.lark.repeats import merge_repeats
from openedai.grammars.lark.rules import LarkRules, literal
from openedai.grammars.lark.tail_recursion import without_tail_recursion

_MAX_LENGTH = 400_000  # characters
_MAX_DEFINITIONS = 20_000
_QUANTIFIERS = {(0, None): "*", (1, None): "+", (0, 1): "?"}


def add_gbnf(gbnf: str, rules: LarkRules) -> str:
    """Add a grammar in GBNF to the rules; returns the name of its start.

    Raises ValueError, worded for the author of the grammar.
    """
    if len(gbnf) > _MAX_LENGTH:
        raise ValueError("the grammar is too large")
    return add_parsed(check_gbnf(gbnf), rules)


def add_parsed(grammar: Mapping[str, Body], rules: LarkRules) -> str:
    """Add a grammar, whose start is `root`, to the rules; returns the name of its start there.

    Raises ValueError, worded for the author of the grammar.
    """
    parsed = without_tail_recursion(grammar)
    regular = in_order({name: {*references(body)} for name, body in parsed.items()})
    parsed = merge_repeats(parsed, regular)
    writer = _Writer(parsed, divide(parsed, regular), rules.new_prefix())
    rules.add_grammar(writer.definitions())
    return writer.start


class _Writer:
    """Writes a definition for each body that does not fit into the definition around it.

    The names of all definitions have the prefix, after their first letter.
    """

    def __init__(self, rules: Mapping[str, Body], division: Division, prefix: str) -> None:
        self._rules = rules
        self._division = division
        self._prefix = prefix
        self.start = f"g{prefix}start"
        self._names: dict[tuple[bool, Body], str] = {}
        self._pending: list[tuple[str, bool, Body]] = []

    def definitions(self) -> Iterator[tuple[str, str]]:
        self._pending.append((self.start, False, self._division.rules["root"]))
        for name, in_lexeme, body in self._pending:  # which grows
            yield name, self._options(in_lexeme, body)

    def _options(self, in_lexeme: bool, body: Body) -> str:
        options = body.options if isinstance(body, Alternation) else (body,)
        if self._is_lexeme(in_lexeme, body):
            options = (body,)
        return " | ".join(self._items(in_lexeme, option) for option in options)

    def _items(self, in_lexeme: bool, body: Body) -> str:
        items = body.items if isinstance(body, Concatenation) else (body,)
        if self._is_lexeme(in_lexeme, body):
            items = (body,)
        return " ".join(self._item(in_lexeme, item) for item in items) or '""'

    def _item(self, in_lexeme: bool, body: Body) -> str:
        if self._is_lexeme(in_lexeme, body):
            return self._name(True, body)
        match body:
            case Text(text):
                return literal(text)
            case Class(chars):
                return f"/{_class(chars)}/"
            case Repeat(high=0):
                return '""'
            case Repeat(Text() | Class() | RuleReference() as item, low, high):
                return self._item(in_lexeme, item) + _quantifier(low, high)
            case Repeat(item, low, high):
                return self._name(in_lexeme, item) + _quantifier(low, high)
            case _:
                return self._name(in_lexeme, body)

    def _is_lexeme(self, in_lexeme: bool, body: Body) -> bool:
        return not in_lexeme and body in self._division.lexemes

    def _name(self, in_lexeme: bool, body: Body) -> str:
        """The name of a definition: of a lexeme or a part of one, in capitals, or of a rule."""
        in_lexeme = in_lexeme or body in self._division.lexemes
        if (in_lexeme, body) not in self._names:
            if len(self._names) >= _MAX_DEFINITIONS:
                raise ValueError("the grammar is too large")
            name = f"{'T' if in_lexeme else 'g'}{self._prefix}{len(self._names)}"
            self._names[in_lexeme, body] = name
            rules = self._rules if in_lexeme else self._division.rules
            inside = rules[body.name] if isinstance(body, RuleReference) else body
            self._pending.append((name, in_lexeme, inside))
        return self._names[in_lexeme, body]


def _quantifier(low: int, high: int | None) -> str:
    return _QUANTIFIERS.get((low, high)) or f"{{{low},{'' if high is None else high}}}"


def _class(chars: CharSet) -> str:
    ranges = "".join(_range(first, last) for first, last in chars.ranges)
    return f"[{ranges or 'a&&b'}]"


def _range(first: int, last: int) -> str:
    return _char(first) + ("" if first == last else f"-{_char(last)}")


def _char(code: int) -> str:
    return chr(code) if code < 0x80 and chr(code).isalnum() else rf"\x{{{code:X}}}"
