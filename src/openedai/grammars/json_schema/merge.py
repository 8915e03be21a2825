"""The intersection of two schemas as one schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openedai.grammars.json_schema.errors import UnsupportedSchema, below
from openedai.grammars.json_schema.keywords import OF_TYPE, frozen

# Keywords that constrain a value, without references and combinations; `const` is an `enum`.
Keywords = dict[str, Any]

_BOUNDS: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum"), max),
    **dict.fromkeys(("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum"), min),
    "uniqueItems": lambda one, other: one or other,
    "required": lambda one, other: [*dict.fromkeys([*one, *other])],
}
_SHAPES = ("properties", "additionalProperties", "items")


def merge(one: Keywords, other: Keywords, path: str) -> Keywords | None:
    """The keywords for the values that both allow; None if there are none.

    Raises UnsupportedSchema for a keyword of both that cannot be merged.
    """
    _refuse_mixed_shapes(one, other, path)
    merged = {**one, **other}
    for name in one.keys() & other.keys() - {*_SHAPES}:
        merged[name] = _merged(name, one[name], other[name], path)
        if merged[name] == [] and name in ("type", "enum"):
            return None
    if "items" in one and "items" in other:
        merged["items"] = intersection(one["items"], other["items"])
    merged |= _object_shape(one, other)
    return merged


def intersection(one: Any, other: Any) -> Any:
    """A schema for the values that both schemas allow.

    It is always the same for the same parts, so that merging in a recursion terminates.
    """
    parts = {str(frozen(part)): part for part in [*_conjuncts(one), *_conjuncts(other)]}
    return one if len(parts) == 1 else {"allOf": [*parts.values()]}


def _conjuncts(schema: Any) -> list[Any]:
    is_merged = isinstance(schema, Mapping) and [*schema] == ["allOf"]
    return schema["allOf"] if is_merged and isinstance(schema["allOf"], list) else [schema]


def _merged(name: str, one: Any, other: Any, path: str) -> Any:
    if name == "type":
        return _common_types(one, other)
    if name == "enum":
        kept = set(map(frozen, other))
        return [value for value in one if frozen(value) in kept]
    if name in _BOUNDS:
        return _BOUNDS[name](one, other)
    if one != other:
        raise UnsupportedSchema(f"two different `{name}` hold at once", below(path, name))
    return one


def _common_types(one: list[str], other: list[str]) -> list[str]:
    def has(types: list[str], name: str) -> bool:
        return name in types or (name == "integer" and "number" in types)

    return [name for name in dict.fromkeys([*one, *other]) if has(one, name) and has(other, name)]


def _refuse_mixed_shapes(one: Keywords, other: Keywords, path: str) -> None:
    """Raises UnsupportedSchema if one schema constrains the other's remaining members."""
    for key, type_name in (("prefixItems", "array"), ("patternProperties", "object")):
        shapes = [
            {name: side[name] for name in OF_TYPE[type_name] & {*_SHAPES, key} & side.keys()}
            for side in (one, other)
        ]
        has_key = any(key in shape for shape in shapes)
        if has_key and all(shapes) and frozen(shapes[0]) != frozen(shapes[1]):
            raise UnsupportedSchema(f"`{key}` is combined with another schema", below(path, key))


def _object_shape(one: Keywords, other: Keywords) -> Keywords:
    shape: Keywords = {}
    names = [*dict.fromkeys([*one.get("properties", {}), *other.get("properties", {})])]
    if names:
        shape["properties"] = {name: _property(name, one, other) for name in names}
    rests = [
        side["additionalProperties"] for side in (one, other) if "additionalProperties" in side
    ]
    if rests:
        shape["additionalProperties"] = rests[0] if len(rests) == 1 else intersection(*rests)
    return shape


def _property(name: str, one: Keywords, other: Keywords) -> Any:
    schemas = []
    for side in (one, other):
        if name in side.get("properties", {}):
            schemas.append(side["properties"][name])
        elif "additionalProperties" in side:
            schemas.append(side["additionalProperties"])
    return schemas[0] if len(schemas) == 1 else intersection(*schemas)
