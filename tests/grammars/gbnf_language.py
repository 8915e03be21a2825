"""An interpreter of GBNF: it samples texts of a grammar, and decides whether a text is in it.

It shares no code with what it tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random

UNIVERSE = ((0x0, 0xD7FF), (0xE000, 0x10FFFF))


@dataclass(eq=False)
class Node:
    """`type` is text, chars, name, concatenation, alternation or repeat."""

    type: str
    parts: list[Node] = field(default_factory=list)
    text: str = ""
    ranges: tuple[tuple[int, int], ...] = ()
    low: int = 1
    high: int | None = 1


class Grammar:
    def __init__(self, text: str) -> None:
        self.rules: dict[str, Node] = {}
        for line in text.removesuffix("\n").split("\n"):
            name, _, body = line.partition(" ::= ")
            assert name not in self.rules
            self.rules[name] = _Parser(body).parse()
        self._heights: dict[str, float] = {}
        before: dict[str, float] = {"": 0}
        while before != self._heights:
            before = self._heights
            self._heights = {name: self._height(body) for name, body in self.rules.items()}

    def sample(self, random: Random, budget: int = 24) -> str:
        """A random text of `root`. Beyond `budget` levels the shortest derivation is taken."""
        return self._derive(self.rules["root"], random, budget)

    def matches(self, text: str) -> bool:
        return len(text) in _Matcher(self.rules, text).ends(self.rules["root"], 0)

    def _derive(self, node: Node, random: Random, budget: int) -> str:
        match node.type:
            case "text":
                return node.text
            case "chars":
                return _char(node.ranges, random)
            case "name":
                return self._derive(self.rules[node.text], random, budget - 1)
            case "concatenation":
                return "".join(self._derive(part, random, budget) for part in node.parts)
            case "alternation":
                options = node.parts
                if budget <= 0:
                    options = [min(options, key=self._height)]
                return self._derive(random.choice(options), random, budget)
            case _:
                more = 0 if budget <= 0 else random.choice((0, 0, 1, 1, 2, 3, 400))
                room = more if node.high is None else node.high - node.low
                times = node.low + min(more % 100 if node.high is None else more, room)
                return "".join(self._derive(node.parts[0], random, budget) for _ in range(times))

    def _height(self, node: Node) -> float:
        match node.type:
            case "name":
                return 1 + self._heights.get(node.text, float("inf"))
            case "alternation":
                return min(map(self._height, node.parts))
            case "repeat" if node.low == 0:
                return 0
            case _:
                return max(map(self._height, node.parts), default=0)


class _Matcher:
    def __init__(self, rules: dict[str, Node], text: str) -> None:
        self._rules = rules
        self._text = text
        self._ends: dict[tuple[Node, int], frozenset[int]] = {}

    def ends(self, node: Node, at: int) -> frozenset[int]:
        """The positions at which texts of the node that begin at `at` may end."""
        key = (node, at)
        if key not in self._ends:
            self._ends[key] = frozenset(self._find(node, at))
        return self._ends[key]

    def _find(self, node: Node, at: int) -> set[int]:
        match node.type:
            case "text":
                return {at + len(node.text)} if self._text.startswith(node.text, at) else set()
            case "chars":
                code = ord(self._text[at]) if at < len(self._text) else -1
                return {at + 1} if any(a <= code <= b for a, b in node.ranges) else set()
            case "name":
                return {*self.ends(self._rules[node.text], at)}
            case "concatenation":
                positions = {at}
                for part in node.parts:
                    positions = {end for position in positions for end in self.ends(part, position)}
                return positions
            case "alternation":
                return {end for part in node.parts for end in self.ends(part, at)}
            case _:
                return self._repeated(node, at)

    def _repeated(self, node: Node, at: int) -> set[int]:
        positions, found, times = {at}, set[int](), 0
        while positions and (node.high is None or times <= node.high):
            if times >= node.low:
                if positions <= found:
                    break
                found |= positions
            positions = {
                end for position in positions for end in self.ends(node.parts[0], position)
            }
            times += 1
        return found


def _char(ranges: tuple[tuple[int, int], ...], random: Random) -> str:
    first, last = random.choice(ranges)
    return chr(random.choice((first, last, random.randint(first, last))))


class _Parser:
    def __init__(self, body: str) -> None:
        self._body = body
        self._at = 0

    def parse(self) -> Node:
        found = self._options()
        assert self._at == len(self._body), self._body[self._at :]
        return found

    def _options(self) -> Node:
        options = [self._items()]
        while self._accept("|"):
            options.append(self._items())
        return Node("alternation", options)

    def _items(self) -> Node:
        items: list[Node] = []
        while True:
            self._accept(" *")
            if self._at == len(self._body) or self._body[self._at] in "|)":
                return Node("concatenation", items)
            items.append(self._times(self._item()))

    def _times(self, item: Node) -> Node:
        if found := self._accept(r"[*+?]"):
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[found[0]]
            return Node("repeat", [item], low=low, high=high)
        if found := self._accept(r"\{(\d+)(,?)(\d*)\}"):
            most = int(found[3]) if found[3] else None if found[2] else int(found[1])
            assert most is None or int(found[1]) <= most <= 1999
            return Node("repeat", [item], low=int(found[1]), high=most)
        return item

    def _item(self) -> Node:
        if self._accept(r"\("):
            parts = self._options()
            assert self._accept(r"\)")
            return parts
        if found := self._accept(r"[a-zA-Z0-9-]+"):
            return Node("name", text=found[0])
        if found := self._accept(r'"((?:[^"\\]|\\.)*)"'):
            return Node("text", text="".join(map(chr, _codes(found[1]))))
        found = self._accept(r"\[(\^?)((?:[^\]\\]|\\.)+)\]")
        assert found, self._body[self._at :]
        ranges = _ranges(found[2])
        return Node("chars", ranges=_complement(ranges) if found[1] else ranges)

    def _accept(self, pattern: str) -> re.Match[str] | None:
        if pattern == "|":
            pattern = r" *\|"
        found = re.compile(pattern).match(self._body, self._at)
        if found:
            self._at = found.end()
        return found


_ESCAPE = re.compile(r"\\x(..)|\\u(....)|\\U(.{8})|\\(.)|([^\\])", re.DOTALL)


def _codes(text: str) -> list[int]:
    codes = []
    for found in _ESCAPE.finditer(text):
        digits = found[1] or found[2] or found[3]
        plain = {"n": "\n", "r": "\r", "t": "\t"}.get(found[4], found[4]) or found[5]
        codes.append(int(digits, 16) if digits else ord(plain))
    return codes


def _ranges(parts: str) -> tuple[tuple[int, int], ...]:
    items = [found[0] for found in _ESCAPE.finditer(parts)]
    ranges, at = [], 0
    while at < len(items):
        is_range = items[at + 1 : at + 2] == ["-"] and at + 2 < len(items)
        (first,), (last,) = _codes(items[at]), _codes(items[at + 2 * is_range])
        assert first <= last
        ranges.append((first, last))
        at += 1 + 2 * is_range
    return tuple(ranges)


def _complement(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    holes = []
    for first, last in UNIVERSE:
        start = first
        for low, high in sorted(ranges):
            if start <= low - 1 and low - 1 <= last:
                holes.append((start, low - 1))
            if first <= high + 1 <= last:
                start = max(start, high + 1)
        if start <= last:
            holes.append((start, last))
    return tuple(holes)
