"""Converts arguments that a model wrote as bare text between tags to JSON, by the tool's schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_PYTHON_CONSTANTS = {"True": "true", "False": "false", "None": "null"}
_TYPES = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}


def json_argument(parameters: Mapping[str, Any] | None, name: str, text: str) -> str:
    """The argument `name` as JSON text. `parameters` is the JSON Schema of all arguments.

    It is a string where the schema allows one or says nothing, or where the text is not JSON.
    """
    root = parameters or {}
    types = _types(root.get("properties", {}).get(name), root, frozenset())
    word = _PYTHON_CONSTANTS.get(text.strip(), text.strip())
    may_be_string = not types or "string" in types
    if may_be_string and not ("null" in types and word == "null"):
        return json_text(text)
    return word if _is_json(word) else json_text(text)


def json_text(value: str) -> str:
    """A string as JSON text."""
    return msgspec.json.encode(value).decode()


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _types(schema: Any, root: Mapping[str, Any], seen: frozenset[str]) -> set[str]:
    """The types that the schema allows; empty if it does not limit them."""
    if not isinstance(schema, Mapping):
        return set()
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        return _types(_resolve(root, reference), root, seen | {reference})
    named = schema.get("type")
    if named:
        return {named} if isinstance(named, str) else set(named)
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    if values:
        return {_TYPES.get(type(value), "object") for value in values}
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
    return set().union(*(_types(choice, root, seen) for choice in choices))


def _resolve(root: Mapping[str, Any], reference: str) -> Any:
    """The schema that a reference such as `#/$defs/City` points to; None if it does not exist."""
    found: Any = root
    for key in reference.removeprefix("#").split("/")[1:]:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
