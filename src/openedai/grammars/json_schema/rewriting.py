"""Rewrites keywords that llguidance does not support with those that it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openedai.grammars.json_schema.arrays import rewrite_contains, rewrite_unique
from openedai.grammars.json_schema.classes import safe_classes
from openedai.grammars.json_schema.errors import UnsupportedSchema, below
from openedai.grammars.json_schema.keywords import (
    COMBINING,
    LARGEST_NUMBER,
    OF_TYPE,
    TYPES,
    check_pattern,
    constraining,
    same,
    type_names,
    well_formed,
)
from openedai.grammars.json_schema.lookaheads import without_lookaheads
from openedai.grammars.json_schema.negation import both, negated, other_types
from openedai.grammars.string_formats import PATTERNS, PATTERNS_BESIDE

Schema = dict[str, Any]

_BOUNDS = OF_TYPE["number"] - {"multipleOf"}
_LEAST_STEP = 1e-9
_MAX_BRANCHES = 50
_OF_NAMES = {"enum", "const", "not"} | COMBINING | OF_TYPE["string"]


def rewrite(schema: Schema, path: str) -> Schema:
    """The schema with supported keywords. Inner schemas stay as they are.

    Raises UnsupportedSchema for what cannot be rewritten.
    """
    found = {**schema}
    more = [*_dependencies(found)]
    _rewrite_bounds(found)
    _bound_numbers(found)
    _rewrite_items(found)
    rewrite_contains(found, path)
    rewrite_unique(found, more, path)
    _rewrite_unevaluated(found, path)
    _rewrite_names(found, path)
    _rewrite_condition(found, more, path)
    if "not" in found:
        _rewrite_not(found, more, path)
    if "pattern" in found:
        *others, found["pattern"] = without_lookaheads(found["pattern"])
        check_pattern(found["pattern"], below(path, "pattern"))
        more += [{"pattern": other} for other in others]
    if "format" in found:
        _rewrite_format(found, more)
    if "oneOf" in found:
        _rewrite_one_of(found)
    if "pattern" in found:
        found["pattern"] = safe_classes(found["pattern"], below(path, "pattern"))
    if patterns := found.get("patternProperties"):
        at = below(path, "patternProperties")
        found["patternProperties"] = {
            safe_classes(pattern, below(at, pattern)): value for pattern, value in patterns.items()
        }
    if more:
        found["allOf"] = [*found.get("allOf", []), *more]
    return found


def _rewrite_format(schema: Schema, more: list[Schema]) -> None:
    name = schema.pop("format")
    if name in PATTERNS:
        if "pattern" in schema:
            more.append({"pattern": f"^(?:{PATTERNS_BESIDE[name]})$"})
        else:
            schema["pattern"] = f"^(?:{PATTERNS[name]})$"


def _rewrite_one_of(schema: Schema) -> None:
    """Rewrite `oneOf` over objects that require different properties as `anyOf`: each branch
    forbids what the others require.
    """
    branches = schema["oneOf"]
    if "anyOf" in schema or not all(isinstance(branch, dict) for branch in branches):
        return
    if not all(branch.get("type", schema.get("type")) == "object" for branch in branches):
        return
    required = [{*branch.get("required", [])} for branch in branches]
    narrowed = []
    for index, branch in enumerate(branches):
        others = required[:index] + required[index + 1 :]
        forbidden = {min(other - required[index], default=None) for other in others}
        if None in forbidden or len(branches) > _MAX_BRANCHES:
            return
        absent = {"properties": dict.fromkeys(sorted(filter(None, forbidden)), False)}
        narrowed.append({"allOf": [branch, absent]})
    schema["anyOf"] = narrowed
    del schema["oneOf"]


def _dependencies(schema: Schema) -> Iterator[Schema]:
    """Rewrite what must hold if a property is present: it is absent, or that holds."""
    for keyword in ("dependencies", "dependentRequired", "dependentSchemas"):
        for name, needed in schema.pop(keyword, {}).items():
            then = {"required": needed} if isinstance(needed, list) else needed
            yield {"anyOf": [{"type": "object", "properties": {name: False}}, then]}


def _rewrite_bounds(schema: Schema) -> None:
    """Rewrite exclusive bounds that are booleans, as in draft 4."""
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        value = schema.get(exclusive)
        if isinstance(value, bool):
            del schema[exclusive]
            if value and inclusive in schema:
                schema[exclusive] = schema.pop(inclusive)


def _bound_numbers(schema: Schema) -> None:
    """Limit the digits of integers, and of numbers with bounds: a model might write them endlessly,
    and a parser might round them past a bound.
    """
    types = type_names(schema.get("type", []))
    if "number" in types:
        if schema.keys() & _BOUNDS and "multipleOf" not in schema:
            schema["multipleOf"] = _LEAST_STEP
    elif "integer" in types:
        if not schema.keys() & {"minimum", "exclusiveMinimum"}:
            schema["minimum"] = -LARGEST_NUMBER
        if not schema.keys() & {"maximum", "exclusiveMaximum"}:
            schema["maximum"] = LARGEST_NUMBER


def _rewrite_items(schema: Schema) -> None:
    """Rewrite lists of items as in older drafts."""
    rest = schema.pop("additionalItems", True)
    if isinstance(schema.get("items"), list):
        schema["prefixItems"] = schema["items"]
        schema["items"] = rest


def _require(schema: Schema, more: list[Schema], other: Any) -> None:
    """Require that what matches the schema also matches another one."""
    if other is False:
        schema["enum"] = []
    elif other is not True:
        more.append(other)


def _rewrite_condition(schema: Schema, more: list[Schema], path: str) -> None:
    """Rewrite as either the condition and `then`, or not the condition and `else`."""
    condition = schema.pop("if", None)
    then, otherwise = schema.pop("then", True), schema.pop("else", True)
    if condition is None or (then is True and otherwise is True):
        return
    opposite = negated(condition)
    if opposite is None:
        raise UnsupportedSchema("this `if` is not supported", below(path, "if"))
    cases = [both(condition, then), both(opposite, otherwise)]
    cases = [case for case in cases if case is not False]
    _require(schema, more, {"anyOf": cases} if cases else False)


def _rewrite_unevaluated(schema: Schema, path: str) -> None:
    for keyword, plain in (
        ("unevaluatedProperties", "additionalProperties"),
        ("unevaluatedItems", "items"),
    ):
        if keyword not in schema:
            continue
        if schema.keys() & (COMBINING | {"not", "if"}):
            why = f"`{keyword}` stands beside combinations: write `{plain}`"
            raise UnsupportedSchema(why, below(path, keyword))
        schema.setdefault(plain, schema.pop(keyword))


def _rewrite_names(schema: Schema, path: str) -> None:
    """Rewrite `propertyNames` as properties, or as a pattern of properties."""
    names = schema.pop("propertyNames", True)
    if names is True or names == {}:
        return
    rest = schema.get("additionalProperties", True)
    if names is False or "string" not in type_names(names.get("type", "string")):
        schema["maxProperties"] = 0
        return
    known = {name: value for name, value in names.items() if name in _OF_NAMES}
    if not known:
        return
    if {*known} in ({"enum"}, {"const"}) and "patternProperties" not in schema:
        declared = schema.get("properties", {})
        allowed = known["enum"] if "enum" in known else [known["const"]]
        schema["properties"] = {
            name: declared.get(name, rest) for name in allowed if isinstance(name, str)
        }
    else:
        pattern = _names_pattern(known)
        if pattern is None or schema.keys() & {"properties", "patternProperties", "required"}:
            why = "these `propertyNames` are not supported"
            raise UnsupportedSchema(why, below(path, "propertyNames"))
        schema["patternProperties"] = {pattern: rest}
    schema["additionalProperties"] = False


def _names_pattern(names: Schema) -> str | None:
    if {*names} == {"pattern"}:
        return str(names["pattern"])
    if {*names} == {"format"} and names["format"] in PATTERNS:
        return f"^(?:{PATTERNS[names['format']]})$"
    if {*names} <= {"minLength", "maxLength"}:
        return f"^(?s:.){{{names.get('minLength', 0)},{names.get('maxLength', '')}}}$"
    return None


def _rewrite_not(schema: Schema, more: list[Schema], path: str) -> None:
    """Rewrite `not` as the other types, as fewer values of an `enum`, or as a negated schema."""
    denied = schema.pop("not")
    known = constraining(denied) if isinstance(denied, dict) else set[str]()
    if denied is False:
        return
    if isinstance(denied, dict) and not well_formed(denied):
        raise UnsupportedSchema("its value is no schema", below(path, "not"))
    if denied is True or not known:
        schema["enum"] = []
    elif known == {"type"}:
        types = other_types(denied["type"])
        schema["type"] = [one for one in type_names(schema.get("type", [*TYPES])) if one in types]
    elif known in ({"enum"}, {"const"}) and "enum" in schema:
        values = denied["enum"] if "enum" in denied else [denied["const"]]
        schema["enum"] = [
            one for one in schema["enum"] if not any(same(one, value) for value in values)
        ]
    else:
        opposite = negated(denied)
        if opposite is None:
            raise UnsupportedSchema("this `not` is not supported", below(path, "not"))
        _require(schema, more, opposite)
