"""Refuses grammars on which llama.cpp fails open, hangs or crashes.

llama.cpp refuses what it cannot parse. It accepts, however: an empty grammar (no constraint at
all), repeats with bounds out of order (exhaust the memory) or above 2000 (no bound at all), counted
repeats of what may be empty (exponential time), left recursion after what may be empty (exhausts
the memory), characters that do not exist, and rules that never end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

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
_CHAR = re.compile(
    r'\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[nrt"\\\[\]])|[^\\]', re.DOTALL
)
_ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t"}
_QUANTIFIERS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


@dataclass(frozen=True)
class Terminal:
    """A text or a character class. `empty`: it is the empty text."""

    empty: bool


@dataclass(frozen=True)
class RuleReference:
    name: str


@dataclass(frozen=True)
class Concatenation:
    items: tuple[Body, ...]


@dataclass(frozen=True)
class Alternation:
    options: tuple[Body, ...]


@dataclass(frozen=True)
class Repeat:
    item: Body
    low: int
    high: int | None

    @property
    def is_counted(self) -> bool:
        return max(self.low, self.high or 0) > 1


Body = Terminal | RuleReference | Concatenation | Alternation | Repeat


def check_gbnf(text: str) -> None:
    """Raises ValueError, worded for the author of the grammar, unless llama.cpp enforces it."""
    rules = _Parser(text).rules()
    if "root" not in rules:
        raise ValueError("the grammar has no rule `root`")
    for part in (part for body in rules.values() for part in _subexpressions(body)):
        if isinstance(part, RuleReference) and part.name not in rules:
            raise ValueError(f"the grammar uses a rule `{part.name}` that it does not have")
    empty = _rules_with(rules, _may_be_empty)
    for name, body in rules.items():
        repeats = (part for part in _subexpressions(body) if isinstance(part, Repeat))
        if any(part.is_counted and _may_be_empty(part.item, empty) for part in repeats):
            raise ValueError(f"the rule `{name}` counts repeats of what may be empty")
    _refuse_left_recursion(rules, empty)
    if "root" not in _rules_with(rules, _can_end):
        raise ValueError("no text of the grammar comes to an end")


def has_finite_text(text: str) -> bool:
    """Whether the grammar derives any text, if the rules that it uses but does not define do."""
    rules = _Parser(text).rules()
    parts = [part for body in rules.values() for part in _subexpressions(body)]
    undefined = {part.name for part in parts if isinstance(part, RuleReference)} - rules.keys()
    return "root" in _rules_with(rules, _can_end, undefined)


class _Parser:
    """Parses GBNF. Raises ValueError for what llama.cpp reads differently or refuses."""

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
        return Alternation(tuple(options))

    def _concatenation(self) -> Body:
        items: list[Body] = []
        while self._peek_type() in ("name", "text", "chars") or self._peek() == "(":
            item = self._item()
            while self._peek_type() == "times":
                item = Repeat(item, *_bounds(self._take()))
            items.append(item)
        return Concatenation(tuple(items))

    def _item(self) -> Body:
        token_type, token = self._peek_type(), self._take()
        if token_type == "name":
            return RuleReference(token)
        if token_type == "text":
            codes = _code_points(token[1:-1])
            if 0 in codes:
                raise ValueError("the grammar has a NUL in a text")
            return Terminal(empty=not codes)
        if token_type == "chars":
            _check_class(token)
            return Terminal(empty=False)
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
    bounds = int(low), int(high or 0) if comma else int(low)
    if max(bounds) > _MAX_REPEAT:
        raise ValueError(f"the grammar has a repeat `{token}` of more than {_MAX_REPEAT}")
    if high and bounds[1] < bounds[0]:
        raise ValueError(f"the grammar has a repeat `{token}` with its bounds out of order")
    return bounds[0], None if comma and not high else bounds[1]


def _code_points(text: str) -> list[int]:
    """The characters of a text or a class, with escapes resolved."""
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


def _subexpressions(body: Body) -> Iterator[Body]:
    yield body
    match body:
        case Concatenation(inside) | Alternation(inside):
            for part in inside:
                yield from _subexpressions(part)
        case Repeat(item):
            yield from _subexpressions(item)


def _rules_with(
    rules: dict[str, Body],
    predicate: Callable[[Body, set[str]], bool],
    known: Iterable[str] = (),
) -> set[str]:
    """The names of the rules whose body satisfies the predicate, a fixed point of it.

    The predicate gets a body and the names found so far, which begin with the `known` ones.
    """
    found = {*known}
    size = -1
    while size < len(found):
        size = len(found)
        for name in [*rules, *reversed(rules)]:  # rules refer to earlier and to later ones
            if name not in found and predicate(rules[name], found):
                found.add(name)
    return found


def _may_be_empty(body: Body, empty: set[str]) -> bool:
    """Whether the body derives the empty text, given the names of the rules that do."""
    match body:
        case Terminal(is_empty):
            return is_empty
        case RuleReference(name):
            return name in empty
        case Concatenation(items):
            return all(_may_be_empty(item, empty) for item in items)
        case Alternation(options):
            return any(_may_be_empty(option, empty) for option in options)
        case Repeat(item, low):
            return low == 0 or _may_be_empty(item, empty)


def _can_end(body: Body, ending: set[str]) -> bool:
    """Whether the body derives any text, given the names of the rules that do."""
    match body:
        case Terminal():
            return True
        case RuleReference(name):
            return name in ending
        case Concatenation(items):
            return all(_can_end(item, ending) for item in items)
        case Alternation(options):
            return any(_can_end(option, ending) for option in options)
        case Repeat(item, low):
            return low == 0 or _can_end(item, ending)


def _refuse_left_recursion(rules: dict[str, Body], empty: set[str]) -> None:
    first = {name: set(_leftmost(body, empty)) for name, body in rules.items()}
    for name in rules:
        reached: set[str] = set()
        pending = [name]
        while pending:
            new = first[pending.pop()] - reached
            reached |= new
            pending += new
        if name in reached:
            raise ValueError(f"the rule `{name}` begins with itself: left recursion")


def _leftmost(body: Body, empty: set[str]) -> Iterator[str]:
    """The names of the rules that a text of the body may begin with."""
    match body:
        case RuleReference(name):
            yield name
        case Concatenation(items):
            for item in items:
                yield from _leftmost(item, empty)
                if not _may_be_empty(item, empty):
                    return
        case Alternation(options):
            for option in options:
                yield from _leftmost(option, empty)
        case Repeat(item):
            yield from _leftmost(item, empty)
