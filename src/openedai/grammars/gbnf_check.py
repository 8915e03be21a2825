"""Refusing grammars on which llama.cpp fails open, hangs or crashes.

It refuses by itself what it can't read. What it takes all the same: an empty grammar (no
constraint at all), repeats with bounds out of order (they eat the memory) or above 2000 (no bound
at all), counted repeats of what may be empty (exponential time), left recursion behind what may
be empty (memory again), characters that do not exist, and rules that never end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_DEEPEST = 100
_MOST = 2000
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
_CHAR = re.compile(
    r'\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[nrt"\\\[\]])|[^\\]', re.DOTALL
)
_ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t"}
_QUANTIFIERS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


@dataclass(frozen=True)
class Terminal:
    """Some characters, or the empty text."""

    empty: bool


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Sequence:
    items: tuple[Body, ...]


@dataclass(frozen=True)
class Choice:
    options: tuple[Body, ...]


@dataclass(frozen=True)
class Repeat:
    item: Body
    low: int
    high: int | None

    @property
    def is_counted(self) -> bool:
        return max(self.low, self.high or 0) > 1


Body = Terminal | Name | Sequence | Choice | Repeat


def check_gbnf(text: str) -> None:
    """Raise ValueError, worded for the grammar's author, unless llama.cpp enforces the grammar."""
    rules = _Reader(text).rules()
    if "root" not in rules:
        raise ValueError("the grammar has no rule `root`")
    for part in (part for body in rules.values() for part in _parts(body)):
        if isinstance(part, Name) and part.name not in rules:
            raise ValueError(f"the grammar uses a rule `{part.name}` that it does not have")
    empty = _grown(rules, _may_be_empty)
    for name, body in rules.items():
        counted = (part for part in _parts(body) if isinstance(part, Repeat) and part.is_counted)
        if any(_may_be_empty(part.item, empty) for part in counted):
            raise ValueError(f"the rule `{name}` counts repeats of what may be empty")
    _refuse_left_recursion(rules, empty)
    if "root" not in _grown(rules, _ends):
        raise ValueError("no text of the grammar comes to an end")


def comes_to_an_end(text: str) -> bool:
    """Whether a grammar has any text. Rules that it uses and does not have, have some."""
    rules = _Reader(text).rules()
    parts = [part for body in rules.values() for part in _parts(body)]
    others = {part.name for part in parts if isinstance(part, Name)} - rules.keys()
    return "root" in _grown(rules, _ends, others)


class _Reader:
    """Reads the notation; what llama.cpp reads otherwise, or refuses, is a ValueError."""

    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text)]
        self._at = 0
        self._depth = 0

    def rules(self) -> dict[str, Body]:
        rules: dict[str, Body] = {}
        while self._kind() == "head":
            name = self._next().removesuffix("::=").strip()
            if name in rules:
                raise ValueError(f"the grammar has two rules `{name}`")
            rules[name] = self._choice()
        if self._kind():
            raise ValueError(f"the grammar has a `{self._next()}` that is out of place")
        return rules

    def _choice(self) -> Body:
        options = [self._sequence()]
        while self._peek() == "|":
            self._next()
            options.append(self._sequence())
        return Choice(tuple(options))

    def _sequence(self) -> Body:
        items: list[Body] = []
        while self._kind() in ("name", "text", "chars") or self._peek() == "(":
            item = self._item()
            while self._kind() == "times":
                item = Repeat(item, *_times(self._next()))
            items.append(item)
        return Sequence(tuple(items))

    def _item(self) -> Body:
        kind, token = self._kind(), self._next()
        if kind == "name":
            return Name(token)
        if kind == "text":
            codes = _code_points(token[1:-1])
            if 0 in codes:
                raise ValueError("the grammar has a NUL in a text")
            return Terminal(empty=not codes)
        if kind == "chars":
            _check_class(token)
            return Terminal(empty=False)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"the grammar nests parentheses deeper than {_DEEPEST}")
        inside = self._choice()
        self._depth -= 1
        if self._peek() != ")":
            raise ValueError("the grammar has a parenthesis that is not closed")
        self._next()
        return inside

    def _kind(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
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


def _times(token: str) -> tuple[int, int | None]:
    if token in _QUANTIFIERS:
        return _QUANTIFIERS[token]
    low, comma, high = token[1:-1].partition(",")
    bounds = int(low), int(high or 0) if comma else int(low)
    if max(bounds) > _MOST:
        raise ValueError(f"the grammar has a repeat `{token}` of more than {_MOST}")
    if high and bounds[1] < bounds[0]:
        raise ValueError(f"the grammar has a repeat `{token}` with its bounds out of order")
    return bounds[0], None if comma and not high else bounds[1]


def _code_points(text: str) -> list[int]:
    """The characters of a text or a class, escapes resolved."""
    codes, at = [], 0
    while at < len(text):
        found = _CHAR.match(text, at)
        if found is None:
            raise ValueError(f"the grammar has an unknown escape `{text[at : at + 2]}`")
        digits = found[1] or found[2] or found[3]
        code = int(digits, 16) if digits else ord(_ESCAPES.get(found[0], found[0][-1]))
        if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            raise ValueError(f"the grammar has a character `{found[0]}`, which no text has")
        codes.append(code)
        at = found.end()
    return codes


def _check_class(token: str) -> None:
    inside = token[1:-1].removeprefix("^")
    if token != "." and not _code_points(inside):
        raise ValueError(f"the grammar has an empty class `{token}`")
    chars = [found[0] for found in _CHAR.finditer(inside)]
    at = 0
    while at + 2 < len(chars):
        is_range = chars[at + 1] == "-"
        if is_range and _code_points(chars[at]) > _code_points(chars[at + 2]):
            raise ValueError(f"the grammar has a class `{token}` with a range out of order")
        at += 3 if is_range else 1


def _parts(body: Body) -> Iterator[Body]:
    yield body
    match body:
        case Sequence(inside) | Choice(inside):
            for part in inside:
                yield from _parts(part)
        case Repeat(item):
            yield from _parts(item)


def _grown(
    rules: dict[str, Body],
    holds: Callable[[Body, set[str]], bool],
    given: Iterable[str] = (),
) -> set[str]:
    """The names of the rules for which something holds, given those for which it does."""
    found = {*given}
    size = -1
    while size < len(found):
        size = len(found)
        for name in [*rules, *reversed(rules)]:  # rules name both earlier and later ones
            if name not in found and holds(rules[name], found):
                found.add(name)
    return found


def _may_be_empty(body: Body, empty: set[str]) -> bool:
    match body:
        case Terminal(is_empty):
            return is_empty
        case Name(name):
            return name in empty
        case Sequence(items):
            return all(_may_be_empty(item, empty) for item in items)
        case Choice(options):
            return any(_may_be_empty(option, empty) for option in options)
        case Repeat(item, low):
            return low == 0 or _may_be_empty(item, empty)


def _ends(body: Body, ending: set[str]) -> bool:
    match body:
        case Terminal():
            return True
        case Name(name):
            return name in ending
        case Sequence(items):
            return all(_ends(item, ending) for item in items)
        case Choice(options):
            return any(_ends(option, ending) for option in options)
        case Repeat(item, low):
            return low == 0 or _ends(item, ending)


def _refuse_left_recursion(rules: dict[str, Body], empty: set[str]) -> None:
    first = {name: set(_leftmost(body, empty)) for name, body in rules.items()}
    for name in rules:
        reached: set[str] = set()
        waiting = [name]
        while waiting:
            new = first[waiting.pop()] - reached
            reached |= new
            waiting += new
        if name in reached:
            raise ValueError(f"the rule `{name}` begins with itself: left recursion")


def _leftmost(body: Body, empty: set[str]) -> Iterator[str]:
    """The rules with which a text of the body may begin."""
    match body:
        case Name(name):
            yield name
        case Sequence(items):
            for item in items:
                yield from _leftmost(item, empty)
                if not _may_be_empty(item, empty):
                    return
        case Choice(options):
            for option in options:
                yield from _leftmost(option, empty)
        case Repeat(item):
            yield from _leftmost(item, empty)
