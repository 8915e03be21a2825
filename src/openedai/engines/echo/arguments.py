"""Arguments for the calls that a request demands of the echo engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 16
_EMPTY: dict[str, Any] = {
    "array": [],
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "null": None,
}


def least_arguments(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The smallest object that the schema requires: empty texts, zeros, the first choices.

    Patterns, bounds and references are not considered.
    """
    value = _least(schema or {}, _MAX_DEPTH)
    return value if isinstance(value, dict) else {}


def _least(schema: Any, depth: int) -> Any:
    if not isinstance(schema, Mapping) or not depth:
        return {}
    if "const" in schema:
        return schema["const"]
    for name in ("enum", "anyOf", "oneOf"):
        if (options := schema.get(name)) and isinstance(options, list):
            return options[0] if name == "enum" else _least(options[0], depth - 1)
    given = schema.get("type", "object")
    type = given[0] if isinstance(given, list) and given else given
    if type == "array" and schema.get("minItems"):
        return [_least(schema.get("items"), depth - 1)]
    if type != "object":
        return _EMPTY.get(type) if isinstance(type, str) else None
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return {}
    names = dict.fromkeys(name for name in required if isinstance(name, str))
    return {name: _least(properties.get(name), depth - 1) for name in names}
