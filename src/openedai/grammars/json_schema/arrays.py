"""Rewrites keywords of arrays that llguidance does not support with those that it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations, permutations
from math import comb, perm
from typing import Any

from openedai.grammars.json_schema.errors import UnsupportedSchema, below
from openedai.grammars.json_schema.keywords import (
    TYPES,
    constraining,
    same,
    type_names,
    well_formed,
)
from openedai.grammars.json_schema.negation import both, negated

_MOST_ARRAYS = 1024
_MOST_FIRST = 100
_FEW: dict[str, list[Any]] = {"null": [None], "boolean": [False, True]}


def rewrite_contains(schema: dict[str, Any], path: str) -> None:
    """Rewrite `contains`: the items that an array must contain come first. Raises
    UnsupportedSchema.
    """
    contained = schema.pop("contains", None)
    low, high = int(schema.pop("minContains", 1)), schema.pop("maxContains", None)
    if contained is None or (low == 0 and high is None):
        return
    if contained is True or contained == {}:
        schema["minItems"] = max(low, schema.get("minItems", 0))
        if high is not None:
            schema["maxItems"] = min(high, schema.get("maxItems", high))
        return
    items = schema.get("items", True)
    others = True if high is None else negated(contained)
    most = _MOST_FIRST if high is None else min(_MOST_FIRST, high)
    taken = schema.keys() & {"prefixItems", "unevaluatedItems"} or isinstance(items, list)
    if taken or contained is False or others is None or low > most:
        raise UnsupportedSchema("this `contains` is not supported", below(path, "contains"))
    schema["prefixItems"] = [both(items, contained)] * low
    schema["minItems"] = max(low, schema.get("minItems", 0))
    schema["items"] = both(items, others)


def rewrite_unique(schema: dict[str, Any], more: list[Any], path: str) -> None:
    """Rewrite `uniqueItems`, for items with few values. Raises UnsupportedSchema."""
    if not schema.pop("uniqueItems", False) or schema.get("maxItems", 2) <= 1:
        return
    values = None if "prefixItems" in schema else few_values(schema.get("items", True))
    low = schema.get("minItems", 0)
    high = min(schema.get("maxItems", _MOST_ARRAYS), len(values or ()))
    arrays = None if values is None else _arrays(values, low, high)
    if arrays is None:
        raise UnsupportedSchema("this `uniqueItems` is not supported", below(path, "uniqueItems"))
    for keyword in ("items", "minItems", "maxItems"):
        schema.pop(keyword, None)
    others = [one for one in type_names(schema.get("type", "array")) if one != "array"]
    if {"enum", "const"} & schema.keys() or {*others} - _FEW.keys():
        more.append({"anyOf": [{"enum": arrays}, *({"type": one} for one in others)]})
    else:
        schema["enum"] = [*arrays, *chain.from_iterable(_FEW[one] for one in others)]


def few_values(schema: Any) -> list[Any] | None:
    """All values of a schema, each once, if there are only few."""
    if not isinstance(schema, dict) or not well_formed(schema):
        return None
    if not constraining(schema) <= {"type", "enum", "const"}:
        return None
    types = type_names(schema.get("type", [*TYPES]))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
    elif {*types} <= _FEW.keys():
        values = [*chain.from_iterable(_FEW.values())]
    else:
        return None
    if "const" in schema:
        values = [value for value in values if same(value, schema["const"])]
    found: list[Any] = []
    for value in values:
        if _has_type(value, types) and not any(same(value, one) for one in found):
            found.append(value)
    return found


def _arrays(values: Sequence[Any], low: int, high: int) -> list[list[Any]] | None:
    """All arrays of different values; if there are too many, only those in the order of the
    values.
    """
    sizes = range(low, high + 1)
    if sum(perm(len(values), size) for size in sizes) <= _MOST_ARRAYS:
        return [*_lists(chain.from_iterable(permutations(values, size) for size in sizes))]
    if sum(comb(len(values), size) for size in sizes) <= _MOST_ARRAYS:
        return [*_lists(chain.from_iterable(combinations(values, size) for size in sizes))]
    return None


def _lists(tuples: Iterator[tuple[Any, ...]]) -> Iterator[list[Any]]:
    return map(list, tuples)


def _has_type(value: Any, types: Sequence[str]) -> bool:
    match value:
        case None:
            return "null" in types
        case bool():
            return "boolean" in types
        case int() | float():
            return "number" in types or ("integer" in types and value % 1 == 0)
        case str():
            return "string" in types
        case list():
            return "array" in types
    return "object" in types
