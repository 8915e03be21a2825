"""Limits on what rendering a template may cost.

Templates come with weights from the internet. The limits are on the time in loops and calls, and on
the size of every text, so that a broken template ends with an error. They are not a full defence: a
template that is made to be slow inside one of Jinja's filters uses up its own process.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

SECONDS = 10.0
"""The processor time that one rendering may take."""

SIZE = 2**25
"""The most characters of a text."""

WRITTEN = 8 * SIZE
"""The most characters that a rendering may write, into the parts that it then uses too."""

_ITEMS = 2**18
_BITS = 2**12
_WIDTH = 64
_STEPS_BETWEEN_CHECKS = 256
_PERCENT_WIDTH = re.compile(r"%[^%a-zA-Z]*(\d{3}|\*)")
_BRACE_WIDTH = re.compile(r":[^{}]*(\d{3}|\{)")


class LimitExceeded(Exception):
    """A limit was exceeded; the message says which."""


class Budget:
    """The time left for one rendering, counted on the thread that made this, and what it writes."""

    def __init__(self, seconds: float) -> None:
        self._end = time.thread_time() + seconds
        self._steps = 0
        self._written = 0

    def step(self) -> None:
        """Count an iteration or a call."""
        self._steps += 1
        if self._steps % _STEPS_BETWEEN_CHECKS == 0 and time.thread_time() > self._end:
            raise LimitExceeded("it takes too long")

    def write(self, size: int) -> None:
        """Count a text of so many characters, which is kept until its block ends."""
        self._written += size
        if self._written > WRITTEN:
            raise LimitExceeded("it makes a text that is too long")

    def each(self, values: Iterable[Any]) -> Iterator[Any]:
        """The values, counting each as a step."""
        for value in values:
            self.step()
            yield value


def check_size(size: int) -> None:
    if size > SIZE:
        raise LimitExceeded("it makes a text that is too long")


def _check_items(items: int) -> None:
    if items > _ITEMS:
        raise LimitExceeded("it makes a list that is too long")


def check_width(width: Any) -> None:
    """Check the width of an indentation."""
    if isinstance(width, int) and width > _WIDTH:
        raise LimitExceeded(f"an indentation of {width}")


def check_percent_format(text: str) -> None:
    """Check the text of `%` and `strftime`, whose fields may have a width."""
    if _PERCENT_WIDTH.search(text):
        raise LimitExceeded("a field that is too wide in a format")


def check_brace_format(text: str) -> None:
    """Check the text of `str.format`, whose fields may have a width."""
    if _BRACE_WIDTH.search(text):
        raise LimitExceeded("a field that is too wide in a format")


def concat(parts: Iterable[str]) -> str:
    """The parts as one text."""
    texts = []
    size = 0
    for part in parts:
        size += len(part)
        if size > SIZE:
            check_size(size)
        texts.append(part)
    return "".join(texts)


def printable(value: Any) -> Any:
    """The value, if its text is not too large; nested lists may share their parts."""
    if isinstance(value, list | tuple | Mapping):
        _check_nested(value)
    return value


def _check_nested(value: Any) -> None:
    items, size = 0, 0
    rest = [iter((value,))]
    while rest:
        for item in rest[-1]:
            items += 1
            _check_items(items)
            if isinstance(item, str):
                size += len(item)
                check_size(size)
            if isinstance(item, Mapping):
                rest += [iter(item.values()), iter(item)]
                break
            if isinstance(item, list | tuple):
                rest.append(iter(item))
                break
        else:
            rest.pop()


def add(left: Any, right: Any) -> Any:
    if type(left) is str and type(right) is str:  # by far the most frequent
        if len(left) + len(right) > SIZE:
            check_size(len(left) + len(right))
    elif isinstance(left, Sized) and isinstance(right, Sized):
        _check_items(len(left) + len(right))
    return left + right


def multiply(left: Any, right: Any) -> Any:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Sized) and isinstance(other, int):
            (check_size if isinstance(one, str) else _check_items)(len(one) * other)
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() + right.bit_length())
    return left * right


def power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() * abs(right))
    return left**right


def _check_bits(bits: int) -> None:
    if bits > _BITS:
        raise LimitExceeded("it makes a number that is too large")


def modulo(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        check_percent_format(left)
        printable(right)
    return left % right


def replace(text: str, old: str, new: str, count: int = -1) -> str:
    times = text.count(old) if count < 0 else min(count, text.count(old))
    check_size(len(text) + times * (len(new) - len(old)))
    return text.replace(old, new, count)


def join(separator: str, parts: Iterable[str]) -> str:
    texts = list(parts)
    check_size(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)
