"""The grammar rules of JSON itself."""

from __future__ import annotations

from functools import cached_property

from openedai.grammars.decimal_ranges import numbers
from openedai.grammars.gbnf import Rules
from openedai.grammars.regular_gbnf import plain_text


class JsonRules:
    """Rule names, as properties, and rule bodies, from methods, for parts of JSON texts.

    A rule is added when its name is first used.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    @cached_property
    def space(self) -> str:
        """Optional white space, for models that are used to it, of bounded length."""
        return self._rules.add("space", r'(" " | "\n" " "{0,20})?')

    @cached_property
    def char(self) -> str:
        """A character of a string: itself, or any escape except those of surrogates."""
        hexadecimal = '"u" ([0-9a-cefA-CEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2})'
        plain = r"[^\x22\x5C\x7F\x00-\x1F]"
        return self._rules.add("char", rf'{plain} | "\\" ([\x22\x5C\x2Fbfnrt] | {hexadecimal})')

    @cached_property
    def string(self) -> str:
        return self._rules.add("string", rf'"\"" {self.char}* "\""')

    @cached_property
    def number(self) -> str:
        return self._rules.add("number", plain_text(numbers(None, None), self._rules))

    @cached_property
    def value(self) -> str:
        return self._values[0]

    @cached_property
    def array(self) -> str:
        return self._values[1]

    @cached_property
    def object(self) -> str:
        return self._values[2]

    @cached_property
    def _values(self) -> tuple[str, str, str]:
        value = self._rules.declare("value")
        array = self._rules.add("array", self.array_of(value, 0, None))
        member = self.member(self.string, value)
        objects = self._rules.add("object", self.object_of(member, 0, None))
        words = '"true" | "false" | "null"'
        self._rules.define(value, f"{objects} | {array} | {self.string} | {self.number} | {words}")
        return value, array, objects

    def array_of(self, item: str, low: int, high: int | None) -> str:
        """An array of `low` to `high` items; None is unbounded."""
        return self._series("[]", item, low, high)

    def object_of(self, member: str, low: int, high: int | None) -> str:
        """An object of `low` to `high` members; None is unbounded."""
        return self._series("{}", member, low, high)

    def bracketed(self, brackets: str, inside: str) -> str:
        """Content that is not empty, between brackets."""
        return f'"{brackets[0]}" {self.space} {inside} {self.space} "{brackets[1]}"'

    def member(self, name: str, value: str) -> str:
        """A member of an object."""
        return f'{name} ":" " "? {value}'

    def following(self, item: str) -> str:
        """An item after another one."""
        return f'"," {self.space} {item}'

    def _series(self, brackets: str, item: str, low: int, high: int | None) -> str:
        empty = f'"{brackets}"'
        if high == 0:
            return empty
        following = self._rules.add("more", self.following(item))
        rest = self._rules.repeat(following, max(low - 1, 0), None if high is None else high - 1)
        full = self.bracketed(brackets, f"{item} {rest}".rstrip())
        return full if low else f"{empty} | {full}"
