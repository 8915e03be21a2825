"""Merges repeats of the same item: long ones are composed of blocks, because llama.cpp has a limit.

llguidance has none, and is faster with a single repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from openedai.grammars.gbnf_parser import (
    Alternation,
    Body,
    Class,
    Concatenation,
    Repeat,
    RuleReference,
    Text,
)

_NO_TEXT = Repeat(Text(""), 0, 0)


def merge_repeats(rules: Mapping[str, Body], order: Iterable[str]) -> dict[str, Body]:
    """The rules; those that stand for a range of repeats of one item are a single repeat.

    `order` has names of rules, each after those that its body uses.
    """
    merged: dict[str, Body] = {**rules}
    repeats: dict[str, Repeat] = {}
    for name in order:
        found = _as_repeat(rules[name], repeats)
        if found is not None and (found.low, found.high) != (1, 1):
            repeats[name] = merged[name] = found
    return merged


def _as_repeat(body: Body, rules: Mapping[str, Repeat]) -> Repeat | None:
    """The body as a repeat of a class, a text or a rule, given the rules that are repeats."""
    match body:
        case RuleReference(name):
            return rules.get(name) or Repeat(body, 1, 1)
        case Class() | Text():
            return _NO_TEXT if body == _NO_TEXT.item else Repeat(body, 1, 1)
        case Repeat(item, low, high):
            return _times(_as_repeat(item, rules), low, high)
        case Concatenation(items):
            whole: Repeat | None = _NO_TEXT
            for item in items:
                whole = whole and _sum(whole, _as_repeat(item, rules))
            return whole
        case Alternation(options):
            whole = _as_repeat(options[0], rules)
            for option in options[1:]:
                whole = whole and _either(whole, _as_repeat(option, rules))
            return whole


def _sum(one: Repeat, other: Repeat | None) -> Repeat | None:
    if other is None or not _same_item(one, other):
        return None
    high = None if one.high is None or other.high is None else one.high + other.high
    return Repeat(_item(one, other), one.low + other.low, high)


def _either(one: Repeat, other: Repeat | None) -> Repeat | None:
    """The union of two ranges, if it is a range."""
    if other is None or not _same_item(one, other):
        return None
    if other.low < one.low:
        one, other = other, one
    if one.high is not None and other.low > one.high + 1:
        return None
    high = None if one.high is None or other.high is None else max(one.high, other.high)
    return Repeat(_item(one, other), one.low, high)


def _times(repeat: Repeat | None, low: int, high: int | None) -> Repeat | None:
    """A repeated repeat, if it is a single range: none or two repeats of a pair are not."""
    if repeat is None or (low != high and repeat.low > 1):
        return None
    if 0 in (repeat.high, high):
        return _NO_TEXT
    most = None if repeat.high is None or high is None else repeat.high * high
    return Repeat(repeat.item, repeat.low * low, most)


def _same_item(one: Repeat, other: Repeat) -> bool:
    return one.item == other.item or _NO_TEXT in (one, other)


def _item(one: Repeat, other: Repeat) -> Body:
    return other.item if one == _NO_TEXT else one.item
