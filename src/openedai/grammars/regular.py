"""Regular languages as values: what patterns, formats and ranges of numbers become."""

from __future__ import annotations

from dataclasses import dataclass, replace

from openedai.grammars.charset import CharSet


@dataclass(frozen=True)
class Chars:
    """One character of a set, which is not empty."""

    chars: CharSet


@dataclass(frozen=True)
class Sequence:
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Choice:
    """One of the options; none at all is the language without a text."""

    options: tuple[Expression, ...]


@dataclass(frozen=True)
class Repeat:
    """`high` None is without bound. The item is never empty: see `repeat`."""

    item: Expression
    low: int
    high: int | None


Expression = Chars | Sequence | Choice | Repeat

EMPTY = Sequence(())
NOTHING = Choice(())


def text(value: str) -> Expression:
    """The text itself."""
    return sequence(*(Chars(CharSet.chars(char)) for char in value))


def sequence(*items: Expression) -> Expression:
    flat: list[Expression] = []
    for item in items:
        if item == NOTHING:
            return NOTHING
        flat.extend(item.items if isinstance(item, Sequence) else [item])
    return flat[0] if len(flat) == 1 else Sequence(tuple(flat))


def choice(*options: Expression) -> Expression:
    flat: dict[Expression, None] = {}
    for option in options:
        flat.update(dict.fromkeys(option.options if isinstance(option, Choice) else [option]))
    return next(iter(flat)) if len(flat) == 1 else Choice(tuple(flat))


def optional(item: Expression) -> Expression:
    return repeat(item, 0, 1)


def repeat(item: Expression, low: int, high: int | None) -> Expression:
    """Repeat the item. A counted repeat of what may be empty takes llama.cpp exponential time:
    the empty text is taken out of the item, which changes nothing in the language.
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
        case Sequence(items):
            return all(map(nullable, items))
        case Choice(options):
            return any(map(nullable, options))
        case Repeat(_, low):
            return low == 0


def without_empty(expression: Expression) -> Expression:
    """The language without the empty text."""
    match expression:
        case Sequence(items) if nullable(expression):
            return choice(
                *(sequence(without_empty(item), *items[at + 1 :]) for at, item in enumerate(items))
            )
        case Choice(options):
            return choice(*map(without_empty, options))
        case Repeat(item, 0, high):
            return repeat(item, 1, high)
        case _:
            return expression


def size(expression: Expression) -> int:
    """How much there is to write: the number of sets of characters."""
    match expression:
        case Chars():
            return 1
        case Sequence(parts) | Choice(parts):
            return sum(map(size, parts))
        case Repeat(item):
            return size(item)


def lengths(expression: Expression) -> tuple[int, int | None]:
    """The lengths of the shortest and the longest text in characters; None is no bound."""
    match expression:
        case Chars():
            return 1, 1
        case Sequence(items):
            bounds = [lengths(item) for item in items]
            return sum(low for low, _ in bounds), _sum([high for _, high in bounds])
        case Choice(options):
            bounds = [lengths(option) for option in options]
            highs = [high for _, high in bounds]
            longest = None if None in highs else max(high for high in highs if high is not None)
            return min(low for low, _ in bounds), longest
        case Repeat(item, low, high):
            shortest, longest = lengths(item)
            most = None if high is None or longest is None else longest * high
            return shortest * low, most


def fit(expression: Expression, low: int, high: int | None) -> Expression | None:
    """The texts whose length is from `low` to `high`; None where that can't be said.

    It can where all lengths fit, and where all that varies is one repeat of a fixed length.
    """
    shortest, longest = lengths(expression)
    if shortest >= low and (high is None or (longest is not None and longest <= high)):
        return expression
    items = expression.items if isinstance(expression, Sequence) else (expression,)
    varying = [at for at, item in enumerate(items) if len(set(lengths(item))) == 2]
    if len(varying) != 1 or not isinstance(items[varying[0]], Repeat):
        return None
    at = varying[0]
    others = shortest - lengths(items[at])[0]
    fitted = _fit_repeat(items[at], low - others, None if high is None else high - others)
    return fitted and sequence(*items[:at], fitted, *items[at + 1 :])


def _fit_repeat(loop: Expression, low: int, high: int | None) -> Expression | None:
    assert isinstance(loop, Repeat)
    size, longest = lengths(loop.item)
    if size != longest:
        return None
    least = max(loop.low, -(-low // size))
    bounds = [
        bound for bound in (loop.high, None if high is None else high // size) if bound is not None
    ]
    most = min(bounds, default=None)
    if most is not None and most < least:
        return NOTHING
    if most == 0:
        return EMPTY
    return replace(loop, low=least, high=most)


def _sum(values: list[int | None]) -> int | None:
    return None if None in values else sum(value for value in values if value is not None)
