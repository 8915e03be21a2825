"""Formulas of grades: what they are worth, and what is none."""

from __future__ import annotations

import pytest

from openedai.serving.grading.formulas import MAX_LENGTH, Formula

NUMBERS = {"a": 0.5, "b": 2.0, "max": 3.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", 0.5),
        (" 0.5 * a + 0.25*b ", 0.75),
        ("2 ^ 3 ^ 2", 512),
        ("-b ^ 2", -4),
        ("(a + b) / 5", 0.5),
        ("max(a, b, 1) - min(a, b)", 1.5),
        ("max(max, 1)", 3),
        ("floor(a) + ceil(a) + abs(-b)", 3),
        ("sqrt(exp(log(16)))", 4),
    ],
)
def test_values(text: str, value: float) -> None:
    assert Formula(text, NUMBERS).value(NUMBERS) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a +", "a = 1", "c", "a.b", "a[0]", "a if b else 1", "a and b", "not a", "a < b"),
        *("'a'", "True", "None", "1j", "0x10", "1e5", "1or a", "[a]", "lambda: a", "a // b"),
        *("pow(a, b)", "sqrt(a, b)", "sqrt()", "max(*a)", "max(a, key=b)", "a(1)", "exec('1')"),
        *("a\0", "9" * 400, "(" * 300 + "a" + ")" * 300, "-" * 500 + "a", "a" * (MAX_LENGTH + 1)),
        *("a" + ".b" * 500, "[" * 150 + "]" * 150, "+".join("a" * 300)),
    ],
)
def test_what_is_no_formula(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Formula(text, NUMBERS)


@pytest.mark.parametrize("text", ["1 / (a - a)", "log(0 * a)", "sqrt(-b)", "exp(1000)", "b^9999"])
def test_what_has_no_value(text: str) -> None:
    with pytest.raises((ArithmeticError, ValueError)):
        Formula(text, NUMBERS).value(NUMBERS)
