"""Random JSON Schemas with the supported keywords, and the standard's own validator."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from openedai.grammars.string_formats import PATTERNS as FORMAT_PATTERNS

Schema = dict[str, Any]

FORMATS = tuple(FORMAT_PATTERNS)

NAMES = ["a", "b", "ab", 'q"\\', "naïve", "kind", ""]
# Python's `\d`, the validator's, has more digits than JSON Schema's.
PATTERNS = [
    r'^[^"\\]{1,3}$',
    r"^[^\\\na-f]+$",
    "^[a-z]{2,5}$",
    r"[0-9]+",
    "^a|b$",
    r"^\S+\s?$",
    r'^["\\\n]{1,3}$',
    "",
    "^[A-Z]+$",
]
VALUES: list[Any] = [
    None,
    True,
    0,
    1,
    1.5,
    -3,
    "x",
    'é"\n',
    "red",
    "reddish",
    [],
    [1, {"a": None}],
    {},
]
COUNTS = st.integers(0, 4)
NUMBERS = st.integers(-50, 500) | st.sampled_from([0.5, -1.25, 1e3, 99.99])


def validator(schema: Any) -> Draft202012Validator:
    checker = Draft202012Validator.FORMAT_CHECKER
    assert set(FORMATS) <= set(checker.checkers)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=checker)


def ranges(
    type_name: str, low: str, high: str, values: st.SearchStrategy[Any]
) -> st.SearchStrategy[Schema]:
    def build(bounds: list[Any], has_low: bool, has_high: bool) -> Schema:
        first, last = sorted(bounds)
        found = {"type": type_name, low: first, high: last}
        return {
            k: v for k, v in found.items() if k == "type" or (has_low if k == low else has_high)
        }

    pairs = st.lists(values, min_size=2, max_size=2, unique=True)
    return st.builds(build, pairs, st.booleans(), st.booleans())


STRINGS = st.one_of(
    ranges("string", "minLength", "maxLength", st.integers(0, 700)),
    st.sampled_from(PATTERNS).map(lambda pattern: {"type": "string", "pattern": pattern}),
    st.sampled_from(FORMATS).map(lambda name: {"type": "string", "format": name}),
    st.just({"type": "string", "pattern": "^x[0-9]*y$", "minLength": 4, "maxLength": 9}),
)
NUMERIC = st.one_of(
    ranges("integer", "minimum", "maximum", NUMBERS),
    ranges("number", "minimum", "maximum", NUMBERS),
    ranges("number", "exclusiveMinimum", "exclusiveMaximum", st.integers(-30, 30)),
    st.sampled_from([1, 10, 1000]).map(lambda step: {"type": "integer", "multipleOf": step}),
)
SIMPLE = st.one_of(
    STRINGS,
    NUMERIC,
    st.lists(st.sampled_from(VALUES), min_size=1, max_size=4).map(lambda v: {"enum": v}),
    st.sampled_from(VALUES).map(lambda value: {"const": value}),
    st.sampled_from(["null", "boolean", "integer", "number", "string"]).map(lambda t: {"type": t}),
    st.just({"type": ["string", "null", "integer"], "minLength": 2, "minimum": 7}),
    st.sampled_from([{}, True, {"title": "t", "default": 1, "x-order": 2}]),
    st.sampled_from([{"$ref": "#"}, {"$ref": "#/$defs/node"}, {"$ref": "#/$defs/odd~1name"}]),
)


_CONSTANTS = st.sampled_from(VALUES).map(lambda value: {"const": value})
_TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
# What can be negated.
DENIED: st.SearchStrategy[Schema] = st.recursive(
    st.one_of(
        _CONSTANTS,
        st.lists(st.sampled_from(VALUES), min_size=1, max_size=4).map(lambda v: {"enum": v}),
        _TYPES.map(lambda name: {"type": name}),
        st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(lambda n: {"required": n}),
    ),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=2).map(
            lambda properties: {"properties": properties, "required": [*properties][:1]}
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"anyOf": parts}),
        inner.map(lambda denied: {"not": denied}),
    ),
    max_leaves=3,
)


def lists(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    """Arrays that contain something, or nothing twice."""

    def build(items: Any, wanted: Any, low: int, high: int | None) -> Schema:
        found: Schema = {"type": "array", "contains": wanted, "minContains": low}
        found |= {} if items is None else {"items": items}
        return found if high is None else {**found, "maxContains": high}

    values = st.lists(st.sampled_from(VALUES), min_size=1, max_size=6)
    return st.one_of(
        st.builds(build, st.none() | inner, _CONSTANTS | inner, COUNTS, st.none() | COUNTS),
        st.builds(
            lambda enum, low, more: {
                "type": ["array", "null"],
                "items": {"enum": enum},
                "uniqueItems": True,
                "minItems": low,
                "maxItems": low + more,
            },
            values,
            COUNTS,
            COUNTS,
        ),
    )


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    def build(items: Any, prefix: list[Any], low: int, more: int | None) -> Schema:
        found: Schema = {"type": "array", "minItems": low}
        if items is not None:
            found["items"] = items
        if prefix:
            found["prefixItems"] = prefix
        if items is False:
            found["minItems"] = min(low, len(prefix))
        if more is not None:
            found["maxItems"] = low + more
        return found

    prefixes = st.lists(inner, max_size=3)
    return st.builds(
        build, st.none() | st.just(False) | inner, prefixes, COUNTS, st.none() | COUNTS
    )


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    def build(properties: Schema, required: list[str], rest: Any, low: int) -> Schema:
        found: Schema = {"type": "object", "properties": properties, "minProperties": low}
        found["required"] = [name for name in required if name in properties or rest is not False]
        if low and not properties and rest is False:
            found["minProperties"] = 0
        return found if rest is None else {**found, "additionalProperties": rest}

    return st.builds(
        build,
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
        st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        st.none() | st.booleans() | inner,
        st.integers(0, 1),
    )


def maps(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    names = [{"enum": ["a", "b"]}, {"pattern": "^[a-c]+$"}, {"maxLength": 3}]
    return st.one_of(
        st.builds(
            lambda n, v: {"propertyNames": n, "additionalProperties": v},
            st.sampled_from(names),
            inner,
        ),
        st.builds(
            lambda n, v: {"type": "object", "patternProperties": {n: v}},
            st.sampled_from(PATTERNS),
            inner,
        ),
        st.builds(
            lambda n, v: {"type": "object", "maxProperties": n, "additionalProperties": v},
            COUNTS,
            inner,
        ),
    )


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    def tagged(keyword: str, bodies: list[Schema]) -> Schema:
        branches = []
        for tag, body in enumerate(bodies):
            properties = {**body.get("properties", {}), "kind": {"const": f"kind-{tag}"}}
            required = [*dict.fromkeys([*body.get("required", []), "kind"])]
            branches.append({**body, "properties": properties, "required": required})
        return {keyword: branches}

    def cases(condition: Schema, then: Any, otherwise: Any) -> Schema:
        return {"if": condition, "then": then, "else": otherwise}

    pairs = st.lists(objects(inner), min_size=2, max_size=2)
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda schemas: {"anyOf": schemas}),
        st.builds(tagged, st.sampled_from(["anyOf", "oneOf"]), pairs),
        pairs.map(lambda schemas: {"allOf": schemas}),
        objects(inner).map(lambda schema: {**schema, "$ref": "#/$defs/base"}),
        pairs.map(lambda schemas: {"type": "object", "anyOf": schemas, "required": ["a"]}),
        DENIED.map(lambda denied: {"not": denied}),
        st.builds(cases, DENIED, inner, inner),
        st.builds(lambda denied, schema: {**schema, "not": denied}, DENIED, objects(inner)),
    )


INNER = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        arrays(inner), objects(inner), maps(inner), combined(inner), lists(inner)
    ),
    max_leaves=6,
)
NODE = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
    },
    "required": ["value", "next"],
    "additionalProperties": False,
}
DEFINITIONS = {
    "node": NODE,
    "odd/name": {"type": "string", "maxLength": 2},
    "base": {"type": "object", "properties": {"a": {"type": ["integer", "string", "object"]}}},
}
SCHEMAS = st.one_of(
    arrays(INNER), objects(INNER), combined(INNER), maps(INNER), lists(INNER), INNER
).map(lambda schema: schema if isinstance(schema, bool) else {**schema, "$defs": DEFINITIONS})
