"""Reading GBNF, llama.cpp's notation for grammars."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from openedai.grammars.charset import ANY, CharSet

_MAX_DEPTH = 100
_MAX_REPEAT = 2000
_TOKEN = re.compile(
    r"""(?P<space>(?:[ \t\r\n]|\#[^\n]*)+)
    | (?P<head>[a-zA-Z0-9-]+[ \t]*::=)
    | (?P<name>[a-zA-Z0-9-]+)
    | (?P<text>"(?:[^"\\\n]|\\.)*")
    | (?P<chars>\[\^?(?:[^\]\\\n]|\\.)*\]|\.)
    | (?P<times>[*+?]|\{[0-9]+(?:,[0-9]*)?\})
    | (?P<sign>[|()])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:x.{0,2}|u.{0,4}|U.{0,8}|.)", re.DOTALL)
_CHAR = re.compile(rf"{_ESCAPE.pattern}|.", re.DOTALL)
_HEX_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")
_ESCAPES = {rf"\{char}": char for char in '"\\[]'} | {r"\n": "\n", r"\r": "\r", r"\t": "\t"}
_QUANTIFIERS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Class:
    """One character of a set; no text at all if the set is empty."""

    chars: CharSet


@dataclass(frozen=True)
class RuleReference:
    name: str


@dataclass(frozen=True)
class Concatenation:
    items: tuple[Body, ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.items)


@dataclass(frozen=True)
class Alternation:
    options: tuple[Body, ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.options)


@dataclass(frozen=True)
class Repeat:
    """The item `low` to `high` times; None is unbounded."""

    item: Body
    low: int
    high: int | None

    @property
    def is_counted(self) -> bool:
        return max(self.low, self.high or 0) > 1


Body = Text | Class | RuleReference | Concatenation | Alternation | Repeat


def parse_gbnf(text: str) -> dict[str, Body]:
    """The rules of a grammar by name. Raises ValueError, worded for the author of the grammar, for
    what llama.cpp reads differently or refuses.
    """
    return _Parser(text).rules()


def parts(body: Body) -> tuple[Body, ...]:
    """The bodies that the body is made of."""
    match body:
        case Concatenation(inside) | Alternation(inside):
            return inside
        case Repeat(item):
            return (item,)
        case _:
            return ()


def subexpressions(body: Body) -> Iterator[Body]:
    """The body itself and all bodies in it."""
    yield body
    for part in parts(body):
        yield from subexpressions(part)


def references(body: Body) -> Iterator[str]:
    """The names of the rules that the body uses."""
    return (part.name for part in subexpressions(body) if isinstance(part, RuleReference))


def in_order(uses: Mapping[str, Collection[str]]) -> list[str]:
    """The names of rules without recursion, each after those that it uses."""
    users: dict[str, list[str]] = {name: [] for name in uses}
    for name, used in uses.items():
        for other in used:
            users[other].append(name)
    left = {name: len(used) for name, used in uses.items()}
    found = [name for name, count in left.items() if not count]
    for name in found:  # which grows
        for user in users[name]:
            left[user] -= 1
            if not left[user]:
                found.append(user)
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text)]
        self._at = 0
        self._depth = 0

    def rules(self) -> dict[str, Body]:
        rules: dict[str, Body] = {}
        while self._peek_type() == "head":
            name = self._take().removesuffix("::=").strip()
            if name in rules:
                raise ValueError(f"the grammar has two rules `{name}`")
            rules[name] = self._alternation()
        if self._peek_type():
            raise ValueError(f"the grammar has a `{self._take()}` that is out of place")
        return rules

    def _alternation(self) -> Body:
        options = [self._concatenation()]
        while self._peek() == "|":
            self._take()
            options.append(self._concatenation())
        return options[0] if len(options) == 1 else Alternation(tuple(options))

    def _concatenation(self) -> Body:
        items: list[Body] = []
        while self._peek_type() in ("name", "text", "chars") or self._peek() == "(":
            item = self._item()
            while self._peek_type() == "times":
                item = Repeat(item, *_bounds(self._take()))
            items.append(item)
        return items[0] if len(items) == 1 else Concatenation(tuple(items))

    def _item(self) -> Body:
        token_type, token = self._peek_type(), self._take()
        if token_type == "name":
            return RuleReference(token)
        if token_type == "text":
            return Text(_text(token))
        if token_type == "chars":
            return Class(_chars(token))
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ValueError(f"the grammar nests parentheses deeper than {_MAX_DEPTH}")
        inside = self._alternation()
        self._depth -= 1
        if self._peek() != ")":
            raise ValueError("the grammar has a parenthesis that is not closed")
        self._take()
        return inside

    def _peek_type(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"the grammar can't be read at {text[at : at + 20]!r}")
        if found.lastgroup != "space":
            yield str(found.lastgroup), found[0]
        at = found.end()


def _bounds(token: str) -> tuple[int, int | None]:
    if token in _QUANTIFIERS:
        return _QUANTIFIERS[token]
    low, comma, high = token[1:-1].partition(",")
    if max(len(low), len(high)) > 9 or max(int(low), int(high or 0)) > _MAX_REPEAT:
        raise ValueError(f"the grammar has a repeat `{token}` of more than {_MAX_REPEAT}")
    most = int(high) if high else None if comma else int(low)
    if most is not None and most < int(low):
        raise ValueError(f"the grammar has a repeat `{token}` with its bounds out of order")
    return int(low), most


def _text(token: str) -> str:
    text = _ESCAPE.sub(lambda found: chr(_code_point(found[0])), token[1:-1])
    if "\0" in text:
        raise ValueError("the grammar has a NUL in a text")
    return text


def _chars(token: str) -> CharSet:
    """The characters of a class."""
    if token == ".":
        return ANY
    inside = token[1:-1].removeprefix("^")
    chars = _CHAR.findall(inside)
    if not chars:
        raise ValueError(f"the grammar has an empty class `{token}`")
    ranges, at = [], 0
    while at < len(chars):
        is_range = chars[at + 1 : at + 2] == ["-"] and at + 2 < len(chars)
        first, last = _code_point(chars[at]), _code_point(chars[at + 2 * is_range])
        if last < first:
            raise ValueError(f"the grammar has a class `{token}` with a range out of order")
        ranges.append((first, last))
        at += 1 + 2 * is_range
    found = CharSet.of(ranges)
    return ~found if token.startswith("[^") else found


def _code_point(char: str) -> int:
    """The code point that a character or an escape in a text or a class stands for."""
    if char[0] != "\\":
        return ord(char)
    found = _HEX_ESCAPE.fullmatch(char)
    if found is None and char not in _ESCAPES:
        raise ValueError(f"the grammar has an unknown escape `{char[:2]}`")
    code = int(char[2:], 16) if found else ord(_ESCAPES[char])
    if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        raise ValueError(f"the grammar has a character `{char}`, which no text has")
    return code
