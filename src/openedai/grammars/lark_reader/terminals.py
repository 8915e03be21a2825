"""The texts, ranges and regular expressions of a grammar in Lark."""

from __future__ import annotations

import re
from collections.abc import Sequence

from openedai.grammars import regular
from openedai.grammars.charset import CharSet
from openedai.grammars.gbnf_parser import Alternation, Body, Class, Concatenation, Repeat, Text
from openedai.grammars.regex import expression

_ESCAPE = re.compile(r"\\(?:x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|(?P<other>[\s\S]))")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "b": "\b", '"': '"', "\\": "\\", "/": "/"}
_FLAGS = frozenset("imsu")  # `m` only affects anchors, and `u` is always in effect


def either(options: Sequence[Body]) -> Body:
    return options[0] if len(options) == 1 else Alternation(tuple(options))


def in_sequence(items: Sequence[Body]) -> Body:
    if not items:
        return Text("")
    return items[0] if len(items) == 1 else Concatenation(tuple(items))


def literal_text(token: str) -> Body:
    """The text of a token `"…"`; with an `i` after it, in upper or lower case."""
    text = _text(token)
    if not token.endswith("i"):
        return Text(text)
    cased = {char: _any_case(CharSet.chars(char)) for char in {*text}}
    return in_sequence([cased[char] for char in text])


def char_range(first: str, last: str) -> Body:
    """A character between those of two tokens."""
    texts = [_text(token) if token.endswith('"') else "" for token in (first, last)]
    if [*map(len, texts)] != [1, 1] or texts[1] < texts[0]:
        raise ValueError("a range is not between two characters")
    return Class(CharSet.between(*texts))


def pattern(source: str, flags: str) -> Body:
    """The texts that match a regular expression as a whole."""
    if unknown := {*flags} - _FLAGS:
        raise ValueError(f"the flag `{min(unknown)}` of a regular expression is not supported")
    found = expression(source, dot_is_any="s" in flags)
    return _body(found, any_case="i" in flags)


def _text(token: str) -> str:
    inside = token.removesuffix("i")[1:-1]
    return _ESCAPE.sub(_escaped, inside)


def _escaped(found: re.Match[str]) -> str:
    code = found["x"] or found["u"]
    if code is not None:
        return chr(int(code, 16))
    if found["other"] not in _ESCAPES:
        raise ValueError(f"a text has the unknown escape `{found[0]}`")
    return _ESCAPES[found["other"]]


def _body(found: regular.Expression, *, any_case: bool) -> Body:
    match found:
        case regular.Chars(chars):
            return _any_case(chars) if any_case else Class(chars)
        case regular.Concatenation(items):
            return in_sequence([_body(item, any_case=any_case) for item in items])
        case regular.Alternation(options):
            return either([_body(option, any_case=any_case) for option in options])
        case regular.Repeat(item, low, high):
            return Repeat(_body(item, any_case=any_case), low, high)


def _any_case(chars: CharSet) -> Body:
    """A character of the set, or its other case if it is an ASCII letter."""
    small, large = CharSet.between("a", "z"), CharSet.between("A", "Z")
    shifted = [
        *((first - 32, last - 32) for first, last in (chars & small).ranges),
        *((first + 32, last + 32) for first, last in (chars & large).ranges),
    ]
    return Class(chars | CharSet.of(shifted))
