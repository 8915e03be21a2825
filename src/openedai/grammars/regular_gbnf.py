"""Regular languages as GBNF: as plain text, and as what stands inside a JSON string."""

from __future__ import annotations

import json

from openedai.grammars import gbnf
from openedai.grammars.charset import CharSet
from openedai.grammars.gbnf import Rules
from openedai.grammars.regular import Chars, Choice, Expression, Repeat, Sequence

_ESCAPED = CharSet.of([(0, 0x1F)]) | CharSet.chars('"\\')


def plain_text(expression: Expression, rules: Rules) -> str:
    """A GBNF body for the texts of the expression: some text at least, and no NUL in it."""
    return _Writer(rules, in_json=False).write(expression)


def json_content(expression: Expression, rules: Rules) -> str:
    """The same for what stands between the quotes of a JSON string that has such a text.

    Every character is written in one way only: as it is, or with its shortest escape.
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
            case Sequence(items):
                return self._sequence(items)
            case Choice(options):
                return gbnf.choice(self.write(option) for option in options)
            case Repeat(item, low, high):
                return self._rules.repeat(self._atom(item), low, high)

    def _sequence(self, items: tuple[Expression, ...]) -> str:
        parts: list[str] = []
        run = ""
        for item in items:
            char = item.chars.only() if isinstance(item, Chars) else None
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
        char = chars.only()
        if char is not None:
            return gbnf.literal(self._encoded(char))
        if not self._in_json:
            return gbnf.char_class(chars)
        plain = chars - _ESCAPED
        options = [gbnf.char_class(plain)] if plain.ranges else []
        lasts: dict[str, str] = {}
        for char in chars & _ESCAPED:
            escape = self._encoded(char)
            lasts[escape[:-1]] = lasts.get(escape[:-1], "") + escape[-1]
        for start, last in lasts.items():
            options.append(f"{gbnf.literal(start)} {gbnf.char_class(CharSet.chars(last))}")
        return self._rules.add("char", " | ".join(options))

    def _encoded(self, char: str) -> str:
        return json.dumps(char, ensure_ascii=False)[1:-1] if self._in_json else char
