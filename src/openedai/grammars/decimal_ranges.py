"""Numbers between bounds, digit by digit: regular expressions for their JSON texts.

The number of digits is limited, so that a model that repeats digits comes to an end.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from openedai.grammars.charset import CharSet
from openedai.grammars.regular import (
    EMPTY,
    NOTHING,
    Chars,
    Expression,
    alternation,
    concat,
    nullable,
    optional,
    repeat,
    text,
    without_empty,
)

INTEGER_DIGITS = 18
FRACTION_DIGITS = 16

# Different decimals of at most so many digits are different doubles, so no reader rounds a number
# to a bound that excludes it.
SAFE_DIGITS = 15
_UNBOUNDED_DIGITS = 9
_MAX_MULTIPLES = 1000

_DIGIT = Chars(CharSet.between("0", "9"))
_NOT_ZERO = Chars(CharSet.between("1", "9"))


@dataclass(frozen=True)
class Bound:
    """A bound of a range; an `exclusive` one is not in the range itself."""

    value: Decimal
    exclusive: bool = False

    @property
    def whole(self) -> int:
        """The integer part, rounded towards zero."""
        return int(self.value)

    @property
    def decimals(self) -> str:
        """The digits after the decimal point, without trailing zeros."""
        return f"{abs(self.value):f}".partition(".")[2].rstrip("0")

    def negated(self) -> Bound:
        return Bound(-self.value, self.exclusive)


def integers(low: int | None, high: int | None) -> Expression:
    """The integers from `low` to `high`, inclusive; None limits them only to about 18 digits."""
    if low is None:
        low = -_largest(high)
    if high is None:
        high = _largest(low)
    return alternation(_naturals(max(0, low), high), _minus(_naturals(max(1, -high), -low)))


def multiples(low: int | None, high: int | None, step: Decimal) -> Expression:
    """The multiples of `step` from `low` to `high`, inclusive; None as in `integers`.

    Raises ValueError unless the step is a power of ten or there are at most 1000 multiples.
    """
    size = int(step)
    if size != step or size < 1:
        raise ValueError("the step is not a whole number above 0")
    first = None if low is None else -(-low // size)
    last = None if high is None else high // size
    if first is not None and last is not None and last - first < _MAX_MULTIPLES:
        return alternation(*(text(str(size * factor)) for factor in range(first, last + 1)))
    zeros = str(size)[1:]
    if str(size) != "1" + zeros or zeros.strip("0"):
        raise ValueError("the step is not a power of ten, and there are more than 1000 multiples")
    below = integers(first, -1 if last is None else min(last, -1))
    above = integers(1 if first is None else max(first, 1), last)
    has_zero = (first is None or first <= 0) and (last is None or last >= 0)
    return alternation(
        text("0") if has_zero else NOTHING,
        concat(alternation(below, above), text(zeros)),
    )


def numbers(low: Bound | None, high: Bound | None) -> Expression:
    """The numbers between the bounds; None is unbounded.

    Raises ValueError for bounds with more than 15 digits.
    """
    if low is None and high is None:
        return _any_number()
    bounds = [bound for bound in (low, high) if bound]
    digits = max(len(str(abs(bound.whole))) for bound in bounds)
    if len(bounds) == 1:
        digits = max(digits, _UNBOUNDED_DIGITS)
    places = SAFE_DIGITS - digits
    if places < max(len(bound.decimals) for bound in bounds):
        raise ValueError(f"the bounds of a number have more than {SAFE_DIGITS} digits")
    edge = Bound(Decimal(10) ** digits, exclusive=True)
    return _between(low or edge.negated(), high or edge, places)


def _any_number() -> Expression:
    whole = alternation(text("0"), concat(_NOT_ZERO, repeat(_DIGIT, 0, INTEGER_DIGITS - 1)))
    fraction = optional(concat(text("."), repeat(_DIGIT, 1, FRACTION_DIGITS)))
    sign = optional(Chars(CharSet.chars("+-")))
    exponent = optional(concat(Chars(CharSet.chars("eE")), sign, repeat(_DIGIT, 1, 2)))
    return concat(optional(text("-")), whole, fraction, exponent)


def _between(low: Bound, high: Bound, places: int) -> Expression:
    zero = Decimal(0)
    above = _magnitudes(low if low.value >= 0 else Bound(zero), high, places)
    nearest = high.negated() if high.value < 0 else Bound(zero, exclusive=True)
    return alternation(above, _minus(_magnitudes(nearest, low.negated(), places)))


def _minus(magnitudes: Expression) -> Expression:
    return concat(text("-"), magnitudes)


def _magnitudes(low: Bound, high: Bound, places: int) -> Expression:
    """The numbers between two bounds, of which `low` is not negative."""
    if low.value > high.value:
        return NOTHING
    if low.whole == high.whole:
        return concat(text(str(low.whole)), _fraction(_within(low, high, places)))
    return alternation(
        concat(text(str(low.whole)), _fraction(_at_least(low.decimals, low.exclusive, places))),
        concat(_naturals(low.whole + 1, high.whole - 1), _fraction(_up_to(places))),
        concat(text(str(high.whole)), _fraction(_at_most(high.decimals, high.exclusive, places))),
    )


def _fraction(digits: Expression) -> Expression:
    """A decimal point and the digits, or nothing instead of a point without digits."""
    pointed = concat(text("."), without_empty(digits))
    return alternation(EMPTY, pointed) if nullable(digits) else pointed


# The following functions return digits after the decimal point, at most `places` and possibly none.
# Digits that are left out are zeros. `edge` is digits too, without trailing zeros.


def _up_to(places: int) -> Expression:
    return repeat(_DIGIT, 0, places)


def _at_least(edge: str, exclusive: bool, places: int) -> Expression:
    if not edge and not exclusive:
        return _up_to(places)
    if not places:
        return NOTHING
    digit = edge[:1] or "0"
    return alternation(
        concat(_digit(int(digit) + 1, 9), _up_to(places - 1)),
        concat(text(digit), _at_least(edge[1:], exclusive, places - 1)),
    )


def _at_most(edge: str, exclusive: bool, places: int) -> Expression:
    if not edge:
        return NOTHING if exclusive else repeat(text("0"), 0, places)
    if not places:
        return EMPTY
    return alternation(
        EMPTY,
        concat(_digit(0, int(edge[0]) - 1), _up_to(places - 1)),
        concat(text(edge[0]), _at_most(edge[1:], exclusive, places - 1)),
    )


def _within(low: Bound, high: Bound, places: int) -> Expression:
    return _digits_within((low.decimals, low.exclusive), (high.decimals, high.exclusive), places)


def _digits_within(low: tuple[str, bool], high: tuple[str, bool], places: int) -> Expression:
    if low == ("", False):
        return _at_most(*high, places)
    if not high[0] or not places:
        return NOTHING
    first, last = low[0][:1] or "0", high[0][0]
    rest_low, rest_high = (low[0][1:], low[1]), (high[0][1:], high[1])
    if first == last:
        return concat(text(first), _digits_within(rest_low, rest_high, places - 1))
    return alternation(
        concat(text(first), _at_least(*rest_low, places - 1)),
        concat(_digit(int(first) + 1, int(last) - 1), _up_to(places - 1)),
        concat(text(last), _at_most(*rest_high, places - 1)),
    )


def _digit(first: int, last: int) -> Expression:
    return Chars(CharSet.between(str(first), str(last))) if first <= last else NOTHING


def _largest(bound: int | None) -> int:
    """The limit of the integers in a direction without a bound, given the bound of the other."""
    return int("9" * max(INTEGER_DIGITS, len(str(abs(bound or 0))) + 1))


def _naturals(low: int, high: int) -> Expression:
    """The integers from `low`, which is not negative, to `high`, inclusive."""
    options = [text("0")] if low == 0 <= high else []
    low = max(low, 1)
    while low <= high:
        digits, whole = len(str(low)), len(str(high + 1)) - 1
        if low == 10 ** (digits - 1) and whole >= digits:
            options.append(concat(_NOT_ZERO, repeat(_DIGIT, digits - 1, whole - 1)))
            low = 10**whole
        else:
            last = min(high, 10**digits - 1)
            options.append(_same_length(str(low), str(last)))
            low = last + 1
    return alternation(*options)


def _same_length(low: str, high: str) -> Expression:
    """The digits from `low` to `high`, which have the same length, inclusive."""
    if low == high:
        return text(low)
    if low[0] == high[0]:
        return concat(text(low[0]), _same_length(low[1:], high[1:]))
    rest = len(low) - 1
    options, first, last = [], int(low[0]), int(high[0])
    if low[1:] != "0" * rest:
        options.append(concat(text(low[0]), _same_length(low[1:], "9" * rest)))
        first += 1
    if high[1:] != "9" * rest:
        options.append(concat(text(high[0]), _same_length("0" * rest, high[1:])))
        last -= 1
    return alternation(concat(_digit(first, last), repeat(_DIGIT, rest, rest)), *options)
