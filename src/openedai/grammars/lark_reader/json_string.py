"""The texts of a grammar as strings of JSON."""

from __future__ import annotations

from collections.abc import Mapping

from openedai.grammars.charset import CharSet
from openedai.grammars.gbnf_check import can_end, rules_with
from openedai.grammars.gbnf_parser import (
    Alternation,
    Body,
    Class,
    Concatenation,
    Repeat,
    RuleReference,
    Text,
)
from openedai.grammars.lark_reader.parser import START

_ESCAPES = {
    '"': r"\"",
    "\\": r"\\",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
}
_PLAIN = CharSet.of([(0x20, 0x10FFFF)]) - CharSet.chars('"\\')
_NONE = Class(CharSet(()))
_ROOT = "root"


def as_json_strings(rules: Mapping[str, Body]) -> dict[str, Body]:
    """The rules of a grammar whose texts are strings of JSON, in quotes; its start is `root`.

    A character has its short escape if it needs one; other control characters are not written.
    Raises ValueError if no text is left.
    """
    quoting = _Quoting()
    quoted = {f".{name}": quoting.of(body) for name, body in rules.items()}
    start = Concatenation((Text('"'), RuleReference(f".{START}"), Text('"')))
    whole: dict[str, Body] = {_ROOT: start, **quoted}
    if _ROOT not in rules_with(whole, can_end):
        raise ValueError("no text of it comes to an end")
    return whole


class _Quoting:
    def __init__(self) -> None:
        self._classes: dict[CharSet, Body] = {}

    def of(self, body: Body) -> Body:
        match body:
            case Text(text):
                return Text("".join(map(_char, text))) if all(map(_can_be_written, text)) else _NONE
            case Class(chars):
                if chars not in self._classes:
                    self._classes[chars] = _one_of(chars)
                return self._classes[chars]
            case RuleReference(name):
                return RuleReference(f".{name}")
            case Concatenation(items):
                return Concatenation(tuple(map(self.of, items)))
            case Alternation(options):
                return Alternation(tuple(map(self.of, options)))
            case Repeat(item, low, high):
                return Repeat(self.of(item), low, high)


def _can_be_written(char: str) -> bool:
    return char in _ESCAPES or (char >= " " and not "\ud800" <= char <= "\udfff")


def _char(char: str) -> str:
    return _ESCAPES.get(char, char)


def _one_of(chars: CharSet) -> Body:
    """One character of the set as it is written in a string."""
    plain = chars & _PLAIN
    escaped = [Text(text) for char, text in _ESCAPES.items() if _has(chars, ord(char))]
    single = plain.single()
    options: list[Body] = []
    if plain.ranges or not escaped:
        options.append(Class(plain) if single is None else Text(single))
    options += escaped
    return options[0] if len(options) == 1 else Alternation(tuple(options))


def _has(chars: CharSet, code: int) -> bool:
    return any(first <= code <= last for first, last in chars.ranges)
