"""Writing GBNF, llama.cpp's notation for grammars."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby, islice, takewhile

from openedai.grammars.charset import CharSet

LARGEST_REPEAT = 100_000

# llama.cpp ignores bounds above 2000, so long repeats are composed of blocks.
_BLOCK = 256
_MAX_PREFIX_DEPTH = 20
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "\\": r"\\"}


class Rules:
    """The named rules of a grammar."""

    def __init__(self) -> None:
        self._bodies: dict[str, str] = {}
        self._names: dict[tuple[str, str], str] = {}

    def __len__(self) -> int:
        return len(self._bodies)

    def add(self, name: str, body: str) -> str:
        """Add a rule and return its name, which is `name` or, if that is taken, begins with it.

        The same name with the same body gives the same rule.
        """
        if (name, body) not in self._names:
            self._names[name, body] = self.declare(name)
            self.define(self._names[name, body], body)
        return self._names[name, body]

    def declare(self, name: str) -> str:
        """Reserve a name for a rule that is defined later, so that rules can be recursive."""
        base = re.sub("[^a-zA-Z0-9]+", "-", name).strip("-") or "rule"
        free, number = base, 1
        while free == "root" or free in self._bodies:
            number += 1
            free = f"{base}-{number}"
        self._bodies[free] = ""
        return free

    def define(self, name: str, body: str) -> None:
        self._bodies[name] = body

    def text(self, root: str, start: int = 0) -> str:
        """The grammar with `root` as its start rule. The first `start` rules are left out."""
        rules = [("root", root), *islice(self._bodies.items(), start, None)]
        return "".join(f"{name} ::= {body}\n" for name, body in rules)

    def repeat(self, item: str, low: int, high: int | None) -> str:
        """`item` repeated `low` to `high` times; None is unbounded. `item` is a name or a class.

        The grammar grows at most with the square root of the bounds.
        """
        if high is None:
            if low <= 1:
                return item + ("+" if low else "*")
            return f"{self._exactly(item, low)} {item}*"
        if (low, high) == (0, 1):
            return f"{item}?"
        if high <= _BLOCK and low < high:
            return f"{item}{{{low},{high}}}"
        return " ".join(filter(None, [self._exactly(item, low), self._at_most(item, high - low)]))

    def _exactly(self, item: str, count: int) -> str:
        if count == 1:
            return item
        blocks, rest = divmod(count, _BLOCK)
        parts = [f"{item}{{{rest}}}"] if rest else []
        if blocks:
            block = self.add("block", f"{item}{{{_BLOCK}}}")
            parts.append(f"{block}{{{blocks}}}")
        return " ".join(parts)

    def _at_most(self, item: str, count: int) -> str:
        blocks, rest = divmod(count, _BLOCK)
        if not blocks:
            return f"{item}{{0,{rest}}}" if rest else ""
        few = self.add("few", f"{item}{{0,{_BLOCK - 1}}}")
        block = self.add("block", f"{item}{{{_BLOCK}}}")
        most = self.add("most", f"{item}{{0,{rest}}}" if rest else '""')
        for _ in range(blocks):
            most = self.add("most", f"{few} | {block} {most}")
        return most


def literal(text: str) -> str:
    """A literal for `text`, which has no surrogates and no NUL, at which llama.cpp fails."""
    return f'"{"".join(_ESCAPES.get(char) or _hex_if_control(char) for char in text)}"'


def char_class(chars: CharSet) -> str:
    """A class: one of the characters."""
    return f"[{''.join(_range(first, last) for first, last in chars.ranges)}]"


def alternatives(options: Iterable[str]) -> str:
    """One of the options, in parentheses if there are several."""
    options = list(options)
    return options[0] if len(options) == 1 else f"({' | '.join(options)})"


def one_of(texts: Iterable[str]) -> str:
    """One of the texts, of which there is at least one.

    Common prefixes are written once, because llama.cpp tries all alternatives with each token.
    """
    return _prefix_tree(sorted(set(texts)), _MAX_PREFIX_DEPTH)


def _prefix_tree(texts: list[str], depth: int) -> str:
    if len(texts) == 1 or not depth:
        return alternatives(map(literal, texts))
    prefix = _common_prefix(texts[0], texts[-1])
    rests = [text[len(prefix) :] for text in texts]
    groups = [[*group] for _, group in groupby(rests, key=lambda rest: rest[:1])]
    tree = alternatives(_prefix_tree(group, depth - 1) for group in groups)
    return f"{literal(prefix)} {tree}" if prefix else tree


def _common_prefix(one: str, other: str) -> str:
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(char for char, _ in pairs)


def _hex_if_control(char: str) -> str:
    return char if char >= " " and char != "\x7f" else f"\\x{ord(char):02X}"


def _range(first: int, last: int) -> str:
    return _class_char(first) + ("" if first == last else f"-{_class_char(last)}")


def _class_char(code: int) -> str:
    if code < 0x80:
        return chr(code) if chr(code).isalnum() else f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
