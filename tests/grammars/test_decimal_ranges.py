"""Grammars of ranges of numbers, against comparisons."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openedai.grammars.decimal_ranges import Bound, integers, multiples, numbers
from openedai.grammars.regular import NOTHING, Expression
from openedai.grammars.regular_gbnf import plain_text
from tests.grammars.gbnf_language import Grammar
from tests.grammars.gbnf_text import gbnf_text

BOUNDS = st.none() | st.integers(-120, 1200)
DECIMALS = st.decimals(-30, 30, allow_nan=False, places=2) | st.integers(-3, 3).map(Decimal)


def grammar(expression: Expression) -> Grammar:
    return Grammar(gbnf_text(lambda rules: rules.add("text", plain_text(expression, rules))))


@settings(deadline=None, max_examples=60)
@given(BOUNDS, BOUNDS)
def test_integers_between_bounds(low: int | None, high: int | None) -> None:
    expression = integers(low, high)
    if low is not None and high is not None and low > high:
        assert expression == NOTHING
        return
    written = grammar(expression)
    for value in range(-130, 1250, 3):
        fits = (low is None or low <= value) and (high is None or value <= high)
        assert written.matches(str(value)) == fits
    for text in ("-0", "01", "-01", "", "-", "1.0"):
        assert not written.matches(text)


@given(st.integers(-(10**30), 10**30), st.integers(0, 10**25), st.integers(0, 1000))
def test_large_integers(low: int, size: int, seed: int) -> None:
    written = grammar(integers(low, low + size))
    assert low <= int(written.sample(Random(seed))) <= low + size
    assert written.matches(str(low))
    assert written.matches(str(low + size))
    assert not written.matches(str(low - 1))
    assert not written.matches(str(low + size + 1))


@settings(deadline=None, max_examples=150)
@given(
    st.none() | st.builds(Bound, DECIMALS, st.booleans()),
    st.none() | st.builds(Bound, DECIMALS, st.booleans()),
    st.lists(DECIMALS, max_size=10),
    st.integers(0, 1000),
)
def test_numbers_between_bounds(
    low: Bound | None, high: Bound | None, values: list[Decimal], seed: int
) -> None:
    def fits(value: Decimal | float) -> bool:
        above = low is None or value > low.value or (value == low.value and not low.exclusive)
        below = high is None or value < high.value or (value == high.value and not high.exclusive)
        return above and below

    expression = numbers(low, high)
    if expression == NOTHING:
        assert low is not None
        assert high is not None
        assert not any(map(fits, [low.value, (low.value + high.value) / 2, high.value]))
        return
    written = grammar(expression)
    bounds = [bound.value for bound in (low, high) if bound]
    for value in [*values, *bounds]:
        text = f"{value:f}"
        if Decimal(text) or not text.startswith("-"):
            assert written.matches(text) == fits(value)
    sampled = written.sample(Random(seed))
    assert fits(Decimal(sampled))
    read = json.loads(sampled)
    lowest, highest = (None if bound is None else float(bound.value) for bound in (low, high))
    assert lowest is None or read >= lowest
    assert highest is None or read <= highest
    assert not (low and low.exclusive and read == lowest)
    assert not (high and high.exclusive and read == highest)


def test_bounds_with_too_many_digits_are_refused() -> None:
    with pytest.raises(ValueError, match="15 digits"):
        numbers(Bound(Decimal("0.1234567890123456")), None)
    with pytest.raises(ValueError, match="15 digits"):
        numbers(None, Bound(Decimal("1e15")))


@settings(deadline=None)
@given(BOUNDS, BOUNDS, st.sampled_from([1, 10, 100]))
def test_multiples_of_powers_of_ten(low: int | None, high: int | None, step: int) -> None:
    expression = multiples(low, high, Decimal(step))
    values = range(-130, 1250, 5)
    inside = [
        value
        for value in values
        if value % step == 0 and (low is None or low <= value) and (high is None or value <= high)
    ]
    if expression == NOTHING:
        assert inside == []
        return
    written = grammar(expression)
    assert [value for value in values if written.matches(str(value))] == inside


def test_few_multiples_are_listed() -> None:
    written = grammar(multiples(-7, 20, Decimal(7)))
    assert [value for value in range(-30, 30) if written.matches(str(value))] == [-7, 0, 7, 14]


@pytest.mark.parametrize("step", ["7", "0", "-10", "0.1", "20"])
def test_other_multiples_are_refused(step: str) -> None:
    with pytest.raises(ValueError, match=r"step|multiples"):
        multiples(0, None, Decimal(step))
