"""Regular expressions as GBNF: for plain texts, and for the content of JSON strings."""

from __future__ import annotations

import json

from openedai.grammars import gbnf
from openedai.grammars.charset import CharSet
from openedai.grammars.gbnf import Rules
from openedai.grammars.regular import Alternation, Chars, Concatenation, Expression, Repeat

_ESCAPED = CharSet.of([(0, 0x1F)]) | CharSet.chars('"\\')


def plain_text(expression: Expression, rules: Rules) -> str:
    """A GBNF rule body for the texts of the expression, which is not NOTHING and has no NUL."""
    return _Writer(rules, in_json=False).write(expression)


def json_content(expression: Expression, rules: Rules) -> str:
    """A GBNF rule body for the texts of the expression as they are between the quotes of a JSON
    string.

    Each character has one spelling only: itself, or its shortest escape.
    """
    return _Writer(rules, in_json=True).write(expression)


class _Writer:
    def __init__(self, rules: Rules, in_json: bool) -> None:
        self._rules = rules
        self._in_json = in_json

    def write(self, expression: Expression) -> str:
        match expression:
            case Chars(chars):
                return self._chars(chars)
            case Concatenation(items):
                return self._concatenation(items)
            case Alternation(options):
                return gbnf.alternatives(self.write(option) for option in options)
            case Repeat(item, low, high):
                return self._rules.repeat(self._atom(item), low, high)

    def _concatenation(self, items: tuple[Expression, ...]) -> str:
        parts: list[str] = []
        run = ""  # adjacent characters become one literal
        for item in items:
            char = item.chars.single() if isinstance(item, Chars) else None
            if char is not None:
                run += self._encoded(char)
                continue
            if run:
                parts.append(gbnf.literal(run))
                run = ""
            parts.append(self.write(item))
        if run or not parts:
            parts.append(gbnf.literal(run))
        return " ".join(parts)

    def _atom(self, item: Expression) -> str:
        body = self.write(item)
        return body if isinstance(item, Chars) else self._rules.add("part", body)

    def _chars(self, chars: CharSet) -> str:
        char = chars.single()
        if char is not None:
            return gbnf.literal(self._encoded(char))
        if not self._in_json:
            return gbnf.char_class(chars)
        plain = chars - _ESCAPED
        options = [gbnf.char_class(plain)] if plain.ranges else []
        last_chars: dict[str, str] = {}  # of the escapes with the same beginning
        for char in chars & _ESCAPED:
            escape = self._encoded(char)
            last_chars[escape[:-1]] = last_chars.get(escape[:-1], "") + escape[-1]
        for start, last in last_chars.items():
            options.append(f"{gbnf.literal(start)} {gbnf.char_class(CharSet.chars(last))}")
        return self._rules.add("char", " | ".join(options))

    def _encoded(self, char: str) -> str:
        return json.dumps(char, ensure_ascii=False)[1:-1] if self._in_json else char
