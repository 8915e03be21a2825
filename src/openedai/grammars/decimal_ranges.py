"""Numbers between bounds, digit by digit: the languages of their JSON texts.

Every text stays within a number of digits, so that a model that likes digits comes to an end.
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
    choice,
    nullable,
    optional,
    repeat,
    sequence,
    text,
    without_empty,
)

INTEGER_DIGITS = 18
FRACTION_DIGITS = 16

# Different decimals of so many digits are different doubles, so that no reader rounds a number
# onto a bound that excludes it.
SAFE_DIGITS = 15
_UNBOUNDED_DIGITS = 9
_MOST_MULTIPLES = 1000

_DIGIT = Chars(CharSet.between("0", "9"))
_NOT_ZERO = Chars(CharSet.between("1", "9"))


@dataclass(frozen=True)
class Bound:
    value: Decimal
    exclusive: bool = False

    @property
    def whole(self) -> int:
        return int(self.value)

    @property
    def places(self) -> str:
        """The digits after the point, without zeros at the end."""
        return f"{abs(self.value):f}".partition(".")[2].rstrip("0")

    def negated(self) -> Bound:
        return Bound(-self.value, self.exclusive)


def integers(low: int | None, high: int | None) -> Expression:
    """The integers from `low` to `high`; where that is None, those of up to 18 digits."""
    if low is None:
        low = -_largest(high)
    if high is None:
        high = _largest(low)
    return choice(_naturals(max(0, low), high), _minus(_naturals(max(1, -high), -low)))


def multiples(low: int | None, high: int | None, step: Decimal) -> Expression:
    """The integers that are multiples of `step`.

    Raises ValueError unless the step is a power of ten, or there are at most 1000 of them.
    """
    size = int(step)
    if size != step or size < 1:
        raise ValueError("the step is not a whole number above 0")
    first = None if low is None else -(-low // size)
    last = None if high is None else high // size
    if first is not None and last is not None and last - first < _MOST_MULTIPLES:
        return choice(*(text(str(size * factor)) for factor in range(first, last + 1)))
    zeros = str(size)[1:]
    if str(size) != "1" + zeros or zeros.strip("0"):
        raise ValueError("the step is not a power of ten, and there are more than 1000 multiples")
    below = integers(first, -1 if last is None else min(last, -1))
    above = integers(1 if first is None else max(first, 1), last)
    is_zero_in = (first is None or first <= 0) and (last is None or last >= 0)
    return choice(
        text("0") if is_zero_in else NOTHING,
        sequence(choice(below, above), text(zeros)),
    )


def numbers(low: Bound | None, high: Bound | None) -> Expression:
    """The numbers between the bounds. Raises ValueError if those have more than 15 digits."""
    if low is None and high is None:
        return _any_number()
    bounds = [bound for bound in (low, high) if bound]
    digits = max(len(str(abs(bound.whole))) for bound in bounds)
    if len(bounds) == 1:
        digits = max(digits, _UNBOUNDED_DIGITS)
    places = SAFE_DIGITS - digits
    if places < max(len(bound.places) for bound in bounds):
        raise ValueError(f"the bounds of a number have more than {SAFE_DIGITS} digits")
    edge = Bound(Decimal(10) ** digits, exclusive=True)
    return _between(low or edge.negated(), high or edge, places)


def _any_number() -> Expression:
    whole = choice(text("0"), sequence(_NOT_ZERO, repeat(_DIGIT, 0, INTEGER_DIGITS - 1)))
    fraction = optional(sequence(text("."), repeat(_DIGIT, 1, FRACTION_DIGITS)))
    sign = optional(Chars(CharSet.chars("+-")))
    exponent = optional(sequence(Chars(CharSet.chars("eE")), sign, repeat(_DIGIT, 1, 2)))
    return sequence(optional(text("-")), whole, fraction, exponent)


def _between(low: Bound, high: Bound, places: int) -> Expression:
    zero = Decimal(0)
    above = _magnitudes(low if low.value >= 0 else Bound(zero), high, places)
    nearest = high.negated() if high.value < 0 else Bound(zero, exclusive=True)
    return choice(above, _minus(_magnitudes(nearest, low.negated(), places)))


def _minus(magnitudes: Expression) -> Expression:
    return sequence(text("-"), magnitudes)


def _magnitudes(low: Bound, high: Bound, places: int) -> Expression:
    """Numbers without a sign between two bounds, of which `low` is not negative."""
    if low.value > high.value:
        return NOTHING
    if low.whole == high.whole:
        return sequence(text(str(low.whole)), _fraction(_within(low, high, places)))
    return choice(
        sequence(text(str(low.whole)), _fraction(_at_least(low.places, low.exclusive, places))),
        sequence(_naturals(low.whole + 1, high.whole - 1), _fraction(_up_to(places))),
        sequence(text(str(high.whole)), _fraction(_at_most(high.places, high.exclusive, places))),
    )


def _fraction(digits: Expression) -> Expression:
    """The digits behind a point, which falls away with them."""
    pointed = sequence(text("."), without_empty(digits))
    return choice(EMPTY, pointed) if nullable(digits) else pointed


# The following are digits after the point, at most `places`, possibly none. Digits that are not
# written are zeros. `edge` is digits too, without zeros at its end.


def _up_to(places: int) -> Expression:
    return repeat(_DIGIT, 0, places)


def _at_least(edge: str, exclusive: bool, places: int) -> Expression:
    if not edge and not exclusive:
        return _up_to(places)
    if not places:
        return NOTHING
    digit = edge[:1] or "0"
    return choice(
        sequence(_digit(int(digit) + 1, 9), _up_to(places - 1)),
        sequence(text(digit), _at_least(edge[1:], exclusive, places - 1)),
    )


def _at_most(edge: str, exclusive: bool, places: int) -> Expression:
    if not edge:
        return NOTHING if exclusive else repeat(text("0"), 0, places)
    if not places:
        return EMPTY
    return choice(
        EMPTY,
        sequence(_digit(0, int(edge[0]) - 1), _up_to(places - 1)),
        sequence(text(edge[0]), _at_most(edge[1:], exclusive, places - 1)),
    )


def _within(low: Bound, high: Bound, places: int) -> Expression:
    return _digits_within((low.places, low.exclusive), (high.places, high.exclusive), places)


def _digits_within(low: tuple[str, bool], high: tuple[str, bool], places: int) -> Expression:
    if low == ("", False):
        return _at_most(*high, places)
    if not high[0] or not places:
        return NOTHING
    first, last = low[0][:1] or "0", high[0][0]
    rest_low, rest_high = (low[0][1:], low[1]), (high[0][1:], high[1])
    if first == last:
        return sequence(text(first), _digits_within(rest_low, rest_high, places - 1))
    return choice(
        sequence(text(first), _at_least(*rest_low, places - 1)),
        sequence(_digit(int(first) + 1, int(last) - 1), _up_to(places - 1)),
        sequence(text(last), _at_most(*rest_high, places - 1)),
    )


def _digit(first: int, last: int) -> Expression:
    return Chars(CharSet.between(str(first), str(last))) if first <= last else NOTHING


def _largest(bound: int | None) -> int:
    """The largest integer that is written where `bound` is the bound on the other side."""
    return int("9" * max(INTEGER_DIGITS, len(str(abs(bound or 0))) + 1))


def _naturals(low: int, high: int) -> Expression:
    """The integers from `low`, which is not negative, to `high`."""
    options = [text("0")] if low == 0 <= high else []
    low = max(low, 1)
    while low <= high:
        digits, whole = len(str(low)), len(str(high + 1)) - 1
        if low == 10 ** (digits - 1) and whole >= digits:
            options.append(sequence(_NOT_ZERO, repeat(_DIGIT, digits - 1, whole - 1)))
            low = 10**whole
        else:
            last = min(high, 10**digits - 1)
            options.append(_same_length(str(low), str(last)))
            low = last + 1
    return choice(*options)


def _same_length(low: str, high: str) -> Expression:
    """The texts of digits between two of the same length."""
    if low == high:
        return text(low)
    if low[0] == high[0]:
        return sequence(text(low[0]), _same_length(low[1:], high[1:]))
    rest = len(low) - 1
    options, first, last = [], int(low[0]), int(high[0])
    if low[1:] != "0" * rest:
        options.append(sequence(text(low[0]), _same_length(low[1:], "9" * rest)))
        first += 1
    if high[1:] != "9" * rest:
        options.append(sequence(text(high[0]), _same_length("0" * rest, high[1:])))
        last -= 1
    return choice(sequence(_digit(first, last), repeat(_DIGIT, rest, rest)), *options)
