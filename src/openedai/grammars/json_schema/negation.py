"""Writes what does not match a schema as a schema."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from openedai.grammars.json_schema.keywords import (
    LARGEST_NUMBER,
    TYPES,
    constraining,
    type_names,
    well_formed,
)

_ANYTHING = "(?s:.)*"
_MOST_CHARACTERS = 2000
_MOST_NUMBERS = 50
_OF_CLASSES = "\\]^-["

_Trie = dict[str, Any]  # by character; "" is the end of a text


def negated(schema: Any) -> Any:
    """A schema of all values that do not match; None if it cannot be written."""
    if isinstance(schema, bool):
        return not schema
    if not well_formed(schema):
        return None
    found: list[Any] = []
    for name in sorted(constraining(schema)):
        parts = _negations(name, schema[name])
        if parts is None or None in parts:
            return None
        found += [part for part in parts if part is not False]
    if not found:
        return False
    return True if True in found else found[0] if len(found) == 1 else {"anyOf": found}


def without_values(values: Sequence[Any]) -> Any:
    """A schema of all values but some; None if it cannot be written."""
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if _is_number(value)]
    switches = [value for value in values if isinstance(value, bool)]
    if any(isinstance(value, list | dict) for value in values):
        return None
    if sum(map(len, texts)) > _MOST_CHARACTERS or len(numbers) > _MOST_NUMBERS:
        return None
    if not all(abs(number) <= LARGEST_NUMBER for number in numbers):
        return None
    rest = ["array", "object"] + ["null"] * (None not in values)
    found: list[Any] = []
    found += [{"type": "string", "pattern": _other_texts(texts)}] if texts else []
    found += [] if not numbers else _between(numbers)
    rest += ["string"] * (not texts) + ["number"] * (not numbers)
    found.append({"type": rest})
    others = [one for one in (True, False) if not any(one is value for value in switches)]
    return {"anyOf": [*found, {"enum": others}] if others else found}


def _negations(name: str, value: Any) -> list[Any] | None:
    """Schemas one of which holds if a keyword does not; None for other keywords."""
    match name:
        case "type":
            return [{"type": types} if (types := other_types(value)) else False]
        case "const":
            return [without_values([value])]
        case "enum":
            return [without_values(value)]
        case "required":
            return [{"type": "object", "properties": {one: False}} for one in value]
        case "properties":
            return [_with_property(one, negated(inner)) for one, inner in value.items()]
        case "not":
            return [value]
        case "allOf":
            return [negated(part) for part in value]
        case "anyOf":
            parts = [negated(part) for part in value]
            return [None] if None in parts else [{"allOf": parts}]
    return None


def both(one: Any, other: Any) -> Any:
    """A schema of the values that match both schemas."""
    if one is False or other is False:
        return False
    if one is True or one == {}:
        return other
    return one if other is True or other == {} else {"allOf": [one, other]}


def other_types(types: Any) -> list[str]:
    """All types except some. A value that is not an integer may be a number, but that cannot be
    written.
    """
    known = type_names(types)
    known += ["number"] * ("integer" in known) + ["integer"] * ("number" in known)
    return [one for one in TYPES if one not in known]


def _with_property(name: str, schema: Any) -> Any:
    if schema is None or schema is False:
        return schema
    return {"type": "object", "required": [name], "properties": {name: schema}}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _between(numbers: Sequence[float]) -> list[Any]:
    """All numbers except some, as ranges."""
    bounds = [-math.inf, *sorted({*numbers}), math.inf]
    found = []
    for low, high in pairwise(bounds):
        span: dict[str, Any] = {"type": "number"}
        span |= {"exclusiveMinimum": low} if math.isfinite(low) else {}
        span |= {"exclusiveMaximum": high} if math.isfinite(high) else {}
        found.append(span)
    return found


def _other_texts(texts: Sequence[str]) -> str:
    """A pattern for all texts except some."""
    trie: _Trie = {}
    for text in texts:
        node = trie
        for character in text:
            node = node.setdefault(character, {})
        node[""] = {}
    return f"^(?:{_others(trie)})$"


def _others(node: _Trie) -> str:
    following = [character for character in node if character]
    if not following:
        return f"(?s:.){_ANYTHING}"
    escaped = "".join(_in_class(character) for character in following)
    branches = [f"[^{escaped}]{_ANYTHING}"]
    branches += [f"[{_in_class(one)}](?:{_others(node[one])})" for one in following]
    return "|".join(branches if "" in node else ["", *branches])


def _in_class(character: str) -> str:
    return f"\\{character}" if character in _OF_CLASSES else character
