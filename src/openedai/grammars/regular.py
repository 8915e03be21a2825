"""Regular expressions as values, built from patterns, string formats and ranges of numbers.

An expression stands for its language: the set of texts that match it as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from openedai.grammars.charset import CharSet


@dataclass(frozen=True)
class Chars:
    """One character of a set that is not empty."""

    chars: CharSet


@dataclass(frozen=True)
class Concatenation:
    """The items one after the other; without items, the empty text."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Alternation:
    """One of the options; without options, no text at all."""

    options: tuple[Expression, ...]


@dataclass(frozen=True)
class Repeat:
    """The item `low` to `high` times; None is unbounded. The item is not nullable: see `repeat`."""

    item: Expression
    low: int
    high: int | None


Expression = Chars | Concatenation | Alternation | Repeat

EMPTY = Concatenation(())
NOTHING = Alternation(())


def text(value: str) -> Expression:
    """The language of that text alone."""
    return concat(*(Chars(CharSet.chars(char)) for char in value))


def concat(*items: Expression) -> Expression:
    """The items one after the other, simplified."""
    flat: list[Expression] = []
    for item in items:
        if item == NOTHING:
            return NOTHING
        flat.extend(item.items if isinstance(item, Concatenation) else [item])
    return flat[0] if len(flat) == 1 else Concatenation(tuple(flat))


def alternation(*options: Expression) -> Expression:
    """One of the options, simplified."""
    flat: dict[Expression, None] = {}
    for option in options:
        flat.update(dict.fromkeys(option.options if isinstance(option, Alternation) else [option]))
    return next(iter(flat)) if len(flat) == 1 else Alternation(tuple(flat))


def optional(item: Expression) -> Expression:
    return repeat(item, 0, 1)


def repeat(item: Expression, low: int, high: int | None) -> Expression:
    """The item `low` to `high` times; None is unbounded.

    A counted repeat of a nullable item takes llama.cpp exponential time, so the empty text is
    removed from the item, which does not change the language.
    """
    if nullable(item):
        item, low = without_empty(item), 0
    if item == NOTHING:
        return NOTHING if low else EMPTY
    if high == 0:
        return EMPTY
    if isinstance(item, Repeat) and item.low == 1 and (item.high is None or (low < 2 and not high)):
        return Repeat(item.item, low, None)
    return item if low == high == 1 else Repeat(item, low, high)


def nullable(expression: Expression) -> bool:
    """Whether the empty text is in the language."""
    match expression:
        case Chars():
            return False
        case Concatenation(items):
            return all(map(nullable, items))
        case Alternation(options):
            return any(map(nullable, options))
        case Repeat(_, low):
            return low == 0


def without_empty(expression: Expression) -> Expression:
    """The language without the empty text."""
    match expression:
        case Concatenation(items) if nullable(expression):
            return alternation(
                *(
                    concat(without_empty(item), *items[index + 1 :])
                    for index, item in enumerate(items)
                )
            )
        case Alternation(options):
            return alternation(*map(without_empty, options))
        case Repeat(item, 0, high):
            return repeat(item, 1, high)
        case _:
            return expression


def size(expression: Expression) -> int:
    """The number of character sets in the expression, as a measure of the grammar's size."""
    match expression:
        case Chars():
            return 1
        case Concatenation(parts) | Alternation(parts):
            return sum(map(size, parts))
        case Repeat(item):
            return size(item)
