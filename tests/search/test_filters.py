"""Filters: each comparison on each type of attribute."""

from __future__ import annotations

from typing import Any

import pytest

from openedai.search.filters import Compare, Compound

ATTRIBUTES: dict[str, str | float | bool] = {
    "number": 2,
    "decimal": 0.5,
    "text": "b",
    "yes": True,
    "no": False,
}
# What is less, equal and more than each attribute, of its type.
AROUND: dict[str, tuple[Any, Any, Any]] = {
    "number": (1.5, 2.0, 3),
    "decimal": (0, 0.5, 1),
    "text": ("a", "b", "ba"),
}
RESULTS = {
    "eq": (False, True, False),
    "ne": (True, False, True),
    "gt": (True, False, False),
    "gte": (True, True, False),
    "lt": (False, False, True),
    "lte": (False, True, True),
}
TYPES: Any = tuple(RESULTS)


def matches(key: str, type: Any, value: Any) -> bool:
    return Compare(key, type, value).matches(ATTRIBUTES)


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("key", AROUND)
def test_comparisons(key: str, type: str) -> None:
    assert tuple(matches(key, type, value) for value in AROUND[key]) == RESULTS[type]


def test_booleans() -> None:
    assert matches("yes", "eq", True)
    assert not matches("yes", "eq", 1)
    assert not matches("number", "gt", True)
    assert matches("yes", "gt", False)
    assert matches("no", "lte", False)
    assert matches("no", "ne", True)
    assert matches("yes", "in", [1, True])
    assert not matches("yes", "in", [1, "true"])


@pytest.mark.parametrize("key", ["number", "decimal", "text", "yes"])
def test_lists(key: str) -> None:
    value = ATTRIBUTES[key]
    assert matches(key, "in", ["x", value])
    assert not matches(key, "nin", ["x", value])
    assert not matches(key, "in", ["x", 77])
    assert matches(key, "nin", [])
    assert not matches(key, "in", [])


@pytest.mark.parametrize("type", TYPES)
def test_other_types_and_missing_attributes(type: str) -> None:
    negated = type == "ne"
    assert matches("text", type, 2) == negated
    assert matches("number", type, "2") == negated
    assert matches("none", type, 1) == negated
    assert matches("none", "nin", [1])
    assert not matches("none", "in", [1])


def test_compounds() -> None:
    two, other = Compare("number", "eq", 2), Compare("text", "eq", "z")
    assert not Compound("and", [two, other]).matches(ATTRIBUTES)
    assert Compound("or", [two, other]).matches(ATTRIBUTES)
    assert Compound("and", [two, Compound("or", [other, two])]).matches(ATTRIBUTES)
