"""Filters by the attributes of files.

Numbers are compared with numbers, texts with texts, and booleans with booleans; false is less than
true. Values of different types are not equal, and neither is less. A file without the attribute
satisfies `ne` and `nin` only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Value = str | float | bool
Comparison = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


@dataclass(frozen=True)
class Compare:
    """`value` is a list for `in` and `nin` only."""

    key: str
    type: Comparison
    value: Value | Sequence[Value]

    def matches(self, attributes: Mapping[str, Value]) -> bool:
        found = attributes.get(self.key)
        values = self.value if isinstance(self.value, list | tuple) else [self.value]
        if self.type in ("eq", "in", "ne", "nin"):
            equal = any(_alike(found, value) and found == value for value in values)
            return equal == (self.type in ("eq", "in"))
        return any(_alike(found, value) and _ORDERS[self.type](found, value) for value in values)


@dataclass(frozen=True)
class Compound:
    type: Literal["and", "or"]
    filters: Sequence[Filter]

    def matches(self, attributes: Mapping[str, Value]) -> bool:
        join = all if self.type == "and" else any
        return join(one.matches(attributes) for one in self.filters)


Filter = Compare | Compound


def _alike(found: Value | None, value: Any) -> bool:
    """Whether both are of the same type."""
    return any(isinstance(found, kind) and isinstance(value, kind) for kind in (bool, str)) or (
        _is_number(found) and _is_number(value)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
