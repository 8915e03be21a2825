"""Regular expressions as GBNF."""

from __future__ import annotations

from openedai.grammars import gbnf
from openedai.grammars.gbnf import Rules
from openedai.grammars.regular import Alternation, Chars, Concatenation, Expression, Repeat


def plain_text(expression: Expression, rules: Rules) -> str:
    """A GBNF rule body for the texts of the expression, which must not be NOTHING or contain
    NUL.
    """
    return _Writer(rules).write(expression)


class _Writer:
    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def write(self, expression: Expression) -> str:
        match expression:
            case Chars(chars):
                char = chars.single()
                return gbnf.char_class(chars) if char is None else gbnf.literal(char)
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
                run += char
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
