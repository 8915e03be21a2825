"""The supported keywords of JSON Schema, and checks of their values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from openedai.grammars.json_schema.errors import UnsupportedSchema, below

TYPES = ("null", "boolean", "number", "integer", "string", "array", "object")
LARGEST_COUNT = 100_000
LARGEST_NUMBER = 2**53
_PATTERN_TOKEN = re.compile(r"\\.|\(\?<?[=!]|.", re.DOTALL)
_NOT_REGULAR = ("(?=", "(?!", "(?<=", "(?<!")
_MAX_TEXT = 1 << 16  # characters of a pattern

COMBINING = frozenset(["$ref", "allOf", "anyOf", "oneOf"])
OF_TYPE = {
    "object": frozenset(
        [
            "properties",
            "required",
            "additionalProperties",
            "patternProperties",
            "propertyNames",
            "minProperties",
            "maxProperties",
        ]
    ),
    "array": frozenset(["items", "prefixItems", "minItems", "maxItems", "uniqueItems"]),
    "string": frozenset(["minLength", "maxLength", "pattern", "format"]),
    "number": frozenset(
        ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
    ),
}
REWRITTEN = frozenset(
    [
        "additionalItems",
        "contains",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "maxContains",
        "minContains",
        "not",
        "then",
        "unevaluatedProperties",
        "unevaluatedItems",
    ]
)
"""Keywords that are written with others."""

REFUSED = {
    "$dynamicRef": "dynamic references are not supported",
    "$recursiveRef": "dynamic references are not supported",
}
_DEPENDENT = {"$defs", "definitions", "then", "else", "minContains", "maxContains"}
_LEAST = frozenset(["minLength", "minItems", "minProperties", "minContains"])
_MOST = frozenset(["maxLength", "maxItems", "maxProperties", "maxContains"])
_LOWER = frozenset(["minimum", "exclusiveMinimum"])
_UPPER = frozenset(["maximum", "exclusiveMaximum"])


def checked(name: str, value: Any, path: str) -> Any:
    """The value of a keyword, with bounds brought within the limits of what can be enforced.

    Inner schemas are not checked. Raises UnsupportedSchema.
    """
    at = below(path, name)
    if not CHECKS[name](value):
        raise UnsupportedSchema(f"the value of `{name}` is wrong", at)
    if name in _LEAST and value > LARGEST_COUNT:
        raise UnsupportedSchema(f"`{name}` is larger than {LARGEST_COUNT}", at)
    if name in _LEAST | _MOST:
        return min(int(value), LARGEST_COUNT)
    if name in _LOWER | _UPPER and not isinstance(value, bool):
        return _bound(value, at, lower=name in _LOWER)
    if name == "patternProperties":
        for pattern in value:
            check_pattern(pattern, below(at, pattern))
    if name in ("enum", "const"):
        _check_values(value, at)
    return value


def check_pattern(pattern: str, path: str) -> None:
    """Raise UnsupportedSchema for a pattern that is not regular. llguidance refuses other
    mistakes.
    """
    for token in _PATTERN_TOKEN.findall(pattern):
        if token in _NOT_REGULAR or (token[0] == "\\" and token[1:] in "bB123456789"):
            raise UnsupportedSchema(f"`{token}` in a pattern is not supported", path)


def constraining(schema: Mapping[str, Any]) -> set[str]:
    """The keywords of a schema that are not annotations, except those that belong to another
    keyword.
    """
    return schema.keys() & (CHECKS.keys() | REFUSED.keys()) - _DEPENDENT


def well_formed(schema: Mapping[str, Any]) -> bool:
    """Whether the values of its keywords are well-formed; inner schemas are not checked."""
    return all(CHECKS[name](schema[name]) for name in schema.keys() & CHECKS.keys())


def type_names(types: Any) -> list[str]:
    """The value of `type` as a list."""
    return [*types] if isinstance(types, list) else [types]


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal. 1 is equal to 1.0, but not to true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return bool(one == other)


def _bound(value: float, path: str, *, lower: bool) -> float:
    """The bound, or a narrower one that doubles can represent."""
    if value < -LARGEST_NUMBER if not lower else value > LARGEST_NUMBER:
        raise UnsupportedSchema("the bound has more than 15 digits", path)
    return max(value, -LARGEST_NUMBER) if lower else min(value, LARGEST_NUMBER)


def _check_values(value: Any, path: str) -> None:
    """Refuse values with numbers that doubles cannot represent, and text that is not valid
    Unicode.
    """
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending += [*one.values(), *one]
        elif isinstance(one, list):
            pending += one
        elif isinstance(one, str):
            if not one.isascii() and any("\ud800" <= char <= "\udfff" for char in one):
                raise UnsupportedSchema("a text is not valid Unicode", path)
        elif one is not None and not (_is_number(one) or isinstance(one, bool)):
            raise UnsupportedSchema("a value is not JSON", path)
        elif isinstance(one, int) and abs(one) > LARGEST_NUMBER:
            raise UnsupportedSchema("a number has more than 15 digits", path)


def _is_count(value: Any) -> bool:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _is_type(value: Any) -> bool:
    types = [value] if isinstance(value, str) else value
    return isinstance(types, list) and bool(types) and all(one in TYPES for one in types)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def is_schema(value: Any) -> bool:
    """Whether the value may be a schema, by its type."""
    return isinstance(value, (bool, Mapping))


def _is_schemas(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(is_schema, value.values()))


def _is_schema_list(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_schema, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TEXT


CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(_LEAST | _MOST, _is_count),
    **dict.fromkeys(("minimum", "maximum"), _is_number),
    **dict.fromkeys(
        ("exclusiveMinimum", "exclusiveMaximum"),
        lambda value: isinstance(value, bool) or _is_number(value),
    ),
    "multipleOf": lambda value: _is_number(value) and 0 < value <= LARGEST_NUMBER,
    **dict.fromkeys(
        ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions"),
        _is_schemas,
    ),
    **dict.fromkeys(
        (
            "additionalItems",
            "additionalProperties",
            "contains",
            "else",
            "if",
            "not",
            "propertyNames",
            "then",
            "unevaluatedItems",
            "unevaluatedProperties",
        ),
        is_schema,
    ),
    **dict.fromkeys(
        ("allOf", "anyOf", "oneOf"), lambda value: bool(value) and _is_schema_list(value)
    ),
    "$ref": lambda value: isinstance(value, str),
    "const": lambda value: True,
    "dependencies": lambda value: (
        isinstance(value, Mapping)
        and all(is_schema(one) or _is_names(one) for one in value.values())
    ),
    "dependentRequired": lambda value: (
        isinstance(value, Mapping) and all(map(_is_names, value.values()))
    ),
    "enum": lambda value: isinstance(value, list),
    "format": lambda value: isinstance(value, str),
    "items": lambda value: is_schema(value) or _is_schema_list(value),
    "pattern": _is_text,
    "prefixItems": _is_schema_list,
    "required": _is_names,
    "type": _is_type,
    "uniqueItems": lambda value: isinstance(value, bool),
}
