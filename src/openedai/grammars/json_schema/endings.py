"""Whether values of a schema come to an end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from openedai.grammars.gbnf_parser import in_order

_DEFINITIONS = "#/$defs/"


def circles(definitions: Mapping[str, Any]) -> bool:
    """Whether a definition refers to itself for the same value, which no validator could follow."""
    places = {name: {*_same_place(schema)} for name, schema in definitions.items()}
    return len([*in_order(places)]) < len(places)


def _same_place(schema: Any) -> Iterator[str]:
    """The definitions that hold for the value that the schema is for."""
    if isinstance(schema, bool):
        return
    if "$ref" in schema:
        yield schema["$ref"].removeprefix(_DEFINITIONS)
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, []):
            yield from _same_place(part)


def comes_to_an_end(schema: Any, definitions: Mapping[str, Any]) -> bool:
    """Whether some value of the schema is finite. All references are to the definitions.

    It may be true even if further keywords rule out all such values.
    """
    ending: set[str] = set()
    size = -1
    while size < len(ending):
        size = len(ending)
        for name in [*definitions, *reversed([*definitions])]:
            if name not in ending and _ends(definitions[name], ending):
                ending.add(name)
    return _ends(schema, ending)


def _ends(schema: Any, ending: Set[str]) -> bool:
    if isinstance(schema, bool) or "enum" in schema or "const" in schema:
        return True
    if "$ref" in schema and schema["$ref"].removeprefix(_DEFINITIONS) not in ending:
        return False
    if not all(_ends(part, ending) for part in schema.get("allOf", [])):
        return False
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema and not any(_ends(part, ending) for part in schema[keyword]):
            return False
    types = schema.get("type", "null")
    types = {types} if isinstance(types, str) else {*types}
    if types - {"object", "array"}:
        return True
    return ("object" in types and _object_ends(schema, ending)) or (
        "array" in types and _array_ends(schema, ending)
    )


def _object_ends(schema: Mapping[str, Any], ending: Set[str]) -> bool:
    declared = schema.get("properties", {})
    rest = schema.get("additionalProperties", True)
    names = schema.get("required", [])
    return all(_ends(declared.get(name, rest), ending) for name in names)


def _array_ends(schema: Mapping[str, Any], ending: Set[str]) -> bool:
    low, first = schema.get("minItems", 0), schema.get("prefixItems", [])
    if not all(_ends(part, ending) for part in first[:low]):
        return False
    return low <= len(first) or _ends(schema.get("items", True), ending)
