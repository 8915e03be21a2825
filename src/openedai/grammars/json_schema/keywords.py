"""The supported keywords of JSON Schema, and checks of their values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from openedai.grammars.gbnf import LARGEST_REPEAT
from openedai.grammars.json_schema.errors import UnsupportedSchema, below

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")

ANNOTATIONS = frozenset(
    [
        "$comment",
        "$defs",
        "$schema",
        "default",
        "definitions",
        "deprecated",
        "description",
        "discriminator",
        "example",
        "examples",
        "readOnly",
        "title",
        "writeOnly",
    ]
)
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
_COUNTS = frozenset(
    ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]
)
_KNOWN = {"type", "enum", "const"}.union(COMBINING, *OF_TYPE.values())

# Specific reasons for the unsupported keywords that people are likely to use.
_UNSUPPORTED = {
    "not": "`not` is not supported",
    "if": "conditions are not supported: write the cases as `anyOf`",
    "nullable": 'write `"type": [..., "null"]` for what may be null',
    "$id": "identifiers of inner schemas are not supported",
}


def own_keywords(schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The constraining keywords of the schema itself, checked, without references and combinations.

    `const` becomes `enum`, and `type` a list. Raises UnsupportedSchema.
    """
    found = {}
    for name, value in schema.items():
        if name in ANNOTATIONS or name.startswith("x-") or (name == "$id" and path == "#"):
            continue
        if (name, value) == ("nullable", False):
            continue
        if name not in _KNOWN:
            why = _UNSUPPORTED.get(name, f"the keyword `{name}` is not supported")
            raise UnsupportedSchema(why, below(path, name))
        if name not in COMBINING and name != "const":
            found[name] = _checked(name, value, below(path, name))
    if "const" in schema:
        values = found.get("enum", [schema["const"]])
        found["enum"] = [one for one in values if frozen(one) == frozen(schema["const"])]
    return found


def frozen(value: Any) -> Any:
    """A hashable form of a JSON value, equal for values that are equal in JSON Schema.

    1 is equal to 1.0, but not to true.
    """
    match value:
        case dict():
            return "object", frozenset((name, frozen(inner)) for name, inner in value.items())
        case list():
            return "array", tuple(map(frozen, value))
        case bool():
            return "boolean", value
        case _:
            return value


def types_of(value: Any) -> set[str]:
    """The names of the JSON Schema types of a JSON value."""
    match value:
        case dict():
            return {"object"}
        case list():
            return {"array"}
        case str():
            return {"string"}
        case bool():
            return {"boolean"}
        case None:
            return {"null"}
        case _:
            return {"number", "integer"} if float(value).is_integer() else {"number"}


def _checked(name: str, value: Any, path: str) -> Any:
    if name == "type":
        types = [value] if isinstance(value, str) else value
        if not isinstance(types, list) or not types or any(one not in TYPES for one in types):
            raise UnsupportedSchema(
                "`type` is not one of the types of JSON, or a list of them", path
            )
        return types
    if not _CHECKS[name](value):
        raise UnsupportedSchema(f"the value of `{name}` is wrong", path)
    if name in _COUNTS and value > LARGEST_REPEAT:
        raise UnsupportedSchema(f"`{name}` is larger than {LARGEST_REPEAT}", path)
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_schema(value: Any) -> bool:
    return isinstance(value, (bool, Mapping))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_schemas(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_schema, value.values()))


_CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(_COUNTS, _is_count),
    **dict.fromkeys(OF_TYPE["number"], _is_number),
    **dict.fromkeys(("properties", "patternProperties"), _is_schemas),
    **dict.fromkeys(("items", "additionalProperties", "propertyNames"), _is_schema),
    "enum": _is_list,
    "format": lambda value: isinstance(value, str),
    "pattern": lambda value: isinstance(value, str),
    "prefixItems": lambda value: isinstance(value, list) and all(map(_is_schema, value)),
    "required": _is_names,
    "uniqueItems": lambda value: isinstance(value, bool),
}
