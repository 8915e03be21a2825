"""Grammars of JSON Schemas are sound, allow what people expect, or are refused."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime
from enum import StrEnum
from random import Random
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from openai import pydantic_function_tool
from openai.lib._parsing import type_to_response_format_param
from pydantic import BaseModel, Field

from openedai.engines.llama_cpp.native.matcher import MatcherFailed
from openedai.grammars.json_schema.schema import ANY_OBJECT, UnsupportedSchema, lark_json
from openedai.grammars.lark.rules import LarkRules
from tests.grammars.llguidance_language import Language
from tests.grammars.schemas import SCHEMAS, validator


def grammar(schema: Any) -> Language:
    return Language(LarkRules().text(lark_json(schema)))


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.filter_too_much])
@given(SCHEMAS, st.integers(0, 10**6))
def test_every_text_of_the_grammar_validates(schema: Any, seed: int) -> None:
    try:
        written = grammar(schema)
    except (UnsupportedSchema, MatcherFailed) as error:
        event(str(error).partition(" (at")[0][:60])
        assume(False)
    random = Random(seed)
    check = validator(schema)
    for _ in range(3):
        text = written.sample(random)
        if text is not None:
            check.validate(json.loads(text))


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Point(BaseModel):
    x: float
    y: float = Field(ge=0, le=1)


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str = Field(min_length=1, max_length=20)


class Tree(BaseModel):
    label: str
    children: list[Tree]


class Everything(BaseModel):
    id: UUID
    born: date
    seen: datetime | None
    colour: Colour
    points: list[Point] = Field(min_length=1, max_length=3)
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    tags: dict[str, int]
    counts: dict[Colour, list[int]]
    pair: tuple[int, str]
    code: str = Field(pattern=r"^[A-Z]{2}-\d+$", max_length=8)
    tree: Tree
    note: str | None = None


TREE = Tree(label="root", children=[Tree(label='left \\ "é"\n', children=[])])
EVERYTHING = Everything(
    id=UUID(int=77),
    born=date(2024, 2, 29),
    seen=datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
    colour=Colour.GREEN,
    points=[Point(x=-1.5, y=0.25), Point(x=1e-7, y=1)],
    pet=Cat(kind="cat", lives=9),
    tags={"a": 1, "ü": -20},
    counts={Colour.RED: [1, 2]},
    pair=(3, "three"),
    code="AB-12345",
    tree=TREE,
)


@pytest.mark.parametrize("value", [TREE, EVERYTHING, Dog(kind="dog", name="Rex")], ids=type)
def test_json_of_pydantic_matches_the_grammar_of_its_schema(value: BaseModel) -> None:
    written = grammar(type(value).model_json_schema())
    compact = value.model_dump_json()
    assert written.matches(compact)
    document = json.loads(compact)
    assert written.matches(json.dumps(document, ensure_ascii=False))
    assert written.matches(json.dumps(document, ensure_ascii=False, indent=2))
    assert not written.matches(compact[:-1])


@pytest.mark.parametrize("model", [Tree, Point])
def test_strict_schemas_of_the_official_client(model: type[BaseModel]) -> None:
    answer: Any = type_to_response_format_param(model)
    tool = pydantic_function_tool(model)["function"]
    value = TREE if model is Tree else Point(x=2.5, y=0.75)
    for schema in (answer["json_schema"]["schema"], tool["parameters"]):
        written = grammar(schema)
        assert written.matches(value.model_dump_json())
        assert not written.matches("{}")


def test_properties_are_in_the_order_of_the_schema_and_optional() -> None:
    names = [f"p{number}" for number in range(60)]
    schema = {"type": "object", "properties": {name: {"type": "integer"} for name in names}}
    written = grammar({**schema, "required": ["p30"]})
    assert written.matches('{"p30":1}')
    assert written.matches('{"p0": 1, "p7": 2, "p30": 3, "p59": 4}')
    assert not written.matches('{"p0":1}')
    assert not written.matches('{"p30":1,"p0":1}')
    assert not written.matches('{"p30":1,"other":1}')


def test_additional_properties_exclude_the_declared_names() -> None:
    declared = {"a": {"type": "string"}, "ab": {"type": "string"}}
    extra = {"type": "integer"}
    written = grammar({"type": "object", "properties": declared, "additionalProperties": extra})
    for name in ("", "b", "abc", "aa", "A", "long" * 20):
        assert written.matches(json.dumps({"a": "x", name: 1}))
    assert not written.matches('{"a":1}')
    assert not written.matches('{"ab":1}')
    assert not written.matches(r'{"\u0061":1}')
    assert grammar({"properties": {"a" * 64: False}, "additionalProperties": extra}).matches("{}")


def test_white_space_is_bounded() -> None:
    written = grammar({"type": "array", "items": {"type": "integer"}})
    assert written.matches("[\n" + " " * 20 + "1,\n2]")
    assert not written.matches("[  1]")
    assert not written.matches("[\n\n1]")
    assert not written.matches("[\n" + " " * 21 + "1]")
    assert not written.matches(" [1]")
    assert not written.matches("[1] ")


def test_strings() -> None:
    written = grammar({"type": "string", "minLength": 2, "maxLength": 3})
    for text in ('"ab"', r'"é\n"', r'"\"\\\b"', '"😀é"'):
        assert written.matches(text)
    for text in ('"a"', '"abcd"', '"a\nb"', r'"\ud83d\ude00"', r'"a\x"', '"ab'):
        assert not written.matches(text)


def test_long_strings() -> None:
    written = grammar({"type": "string", "maxLength": 1000})
    assert written.matches(f'"{"x" * 1000}"')
    assert not written.matches(f'"{"x" * 1001}"')


def test_many_values() -> None:
    values = [f"value-{number}" for number in range(5000)]
    written = grammar({"enum": values})
    assert written.matches('"value-4999"')
    assert not written.matches('"value-5000"')
    assert not written.matches('"value-"')


def test_any_object() -> None:
    written = grammar(ANY_OBJECT)
    assert written.matches("{}")
    assert written.matches('{"a": [1, -2.5e+3, null, {"b": true}], "a": "x"}')
    for text in ("[]", "1", '{"a":01}', '{"a":1,}', "{a:1}", '{"a":NaN}'):
        assert not written.matches(text)


def test_properties_without_a_valid_value_are_left_out() -> None:
    schema = {"type": "object", "properties": {"a": False, "b": {"type": "null"}}}
    assert grammar(schema).matches('{"b":null}')
    assert not grammar(schema).matches('{"a":null}')


UNSUPPORTED: list[tuple[Any, str]] = [
    (False, "#"),
    ({"not": {}}, "#"),
    ({"not": {"minLength": 1}}, "#/not"),
    ({"type": "text"}, "#/type"),
    ({"type": []}, "#/type"),
    ({"properties": {"a": 1}}, "#/properties"),
    ({"properties": 5}, "#/properties"),
    ({"required": "a"}, "#/required"),
    ({"type": "object", "minProperties": 2}, "#/minProperties"),
    ({"properties": {"a": {}}, "propertyNames": {"maxLength": 2}}, "#/propertyNames"),
    ({"type": "array", "uniqueItems": True}, "#/uniqueItems"),
    ({"type": "array", "minItems": 100_001}, "#/minItems"),
    ({"type": "string", "minLength": -1}, "#/minLength"),
    ({"type": "string", "minLength": int("9" * 400)}, "#/minLength"),
    ({"type": "string", "pattern": "a" * 100_000}, "#/pattern"),
    ({"type": "string", "pattern": "(?=a)"}, "#/pattern"),
    ({"type": "number", "minimum": 1e20}, "#/minimum"),
    ({"type": "number", "minimum": int("9" * 310)}, "#/minimum"),
    ({"type": "number", "maximum": float("-inf")}, "#/maximum"),
    ({"type": "number", "multipleOf": int("9" * 310)}, "#/multipleOf"),
    ({"enum": [int("9" * 400)]}, "#/enum"),
    ({"const": [{"a": 1e999}]}, "#/const"),
    ({"enum": []}, "#"),
    ({"enum": ["\ud800"]}, "#/enum"),
    ({"$ref": "#"}, "#"),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}, "#"),
    ({"$ref": "#/$defs/a"}, "#/$ref"),
    ({"$ref": f"#/enum/{'9' * 5000}", "enum": [1]}, "#/$ref"),
    ({"$ref": "https://example.com/schema"}, "#/$ref"),
    ({"$ref": "#anchor"}, "#/$ref"),
    ({"properties": {"a": {"$ref": "#"}}, "required": ["a"], "type": "object"}, "#"),
    ({"type": "array", "items": {"$ref": "#"}, "minItems": 1}, "#"),
    ({"prefixItems": [{"$ref": "#"}], "minItems": 1, "type": ["array"]}, "#"),
    ({"anyOf": []}, "#/anyOf"),
    ({"contains": {}, "prefixItems": [{}], "items": 5}, "#/items"),
    ({"contains": {"const": 1}, "prefixItems": [{}]}, "#/contains"),
    ({"contains": {"minimum": 1}, "maxContains": 2}, "#/contains"),
    ({"contains": {"const": 1}, "maxContains": 0}, "#/contains"),
    ({"contains": False}, "#/contains"),
    ({"items": {"enum": [*range(20)]}, "uniqueItems": True}, "#/uniqueItems"),
    ({"items": {"enum": 5}, "uniqueItems": True}, "#/uniqueItems"),
    ({"if": {}, "then": False}, "#"),
    ({"if": {"pattern": "a"}, "then": False}, "#/if"),
    ({"if": {"required": 5}, "then": False}, "#/if"),
    ({"if": {"const": 1e999}, "then": False}, "#/if"),
    ({"not": {"type": 5}}, "#/not"),
    ({"not": {"required": []}}, "#"),
    ({"not": {"const": 10**400}}, "#/not"),
    ({"not": {"$ref": "#/$defs/a"}, "$defs": {"a": {}}}, "#/not"),
    ({"type": "string", "pattern": "[^]"}, "#/pattern"),
    ({"type": "string", "pattern": "[+--]"}, "#/pattern"),
    ({"unevaluatedProperties": False, "anyOf": [{}]}, "#/unevaluatedProperties"),
    (
        {
            "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/a/0"}]},
            "$defs": {"a": [{"if": {"pattern": "a"}, "else": False}]},
        },
        "#/$defs/a/0/if",
    ),
]


@pytest.mark.parametrize(("schema", "path"), UNSUPPORTED, ids=lambda value: ascii(value)[:40])
def test_unsupported_schemas_are_refused(schema: Any, path: str) -> None:
    with pytest.raises(UnsupportedSchema) as caught:
        lark_json(schema)
    assert caught.value.path == path
    assert f"(at `{path}`)" in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": False}, "required": ["a"], "type": "object"},
        {"type": "array", "minItems": 3, "maxItems": 2},
        {"type": "string", "pattern": "^a{3}$", "minLength": 4},
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"enum": ["a"], "type": "integer"},
        {"oneOf": [{"type": "string"}, {"maxLength": 3}]},
        {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        {"allOf": [{"type": "string"}, {"type": "null"}]},
    ],
    ids=str,
)
def test_what_llguidance_refuses(schema: Any) -> None:
    with pytest.raises(MatcherFailed):
        grammar(schema)


def test_deeply_nested_values_are_refused() -> None:
    value: Any = 1
    for _ in range(900):
        value = [value]
    with pytest.raises((UnsupportedSchema, MatcherFailed), match=r"deep|recursion"):
        grammar({"const": value})
    schema: Any = {"type": "null"}
    for _ in range(900):
        schema = {"items": schema}
    with pytest.raises(UnsupportedSchema, match="deep"):
        grammar(schema)


# As zod 4 writes them.
ZOD = {
    "email": {
        "type": "string",
        "format": "email",
        "pattern": r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@"
        r"([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$",
    },
    "uuid": {
        "type": "string",
        "format": "uuid",
        "pattern": "^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-"
        "[0-9a-fA-F]{12}|00000000-0000-0000-0000-000000000000)$",
    },
    "date": {
        "type": "string",
        "format": "date",
        "pattern": r"^(?:(?:\d\d[2468][048]|\d\d[13579][26]|\d\d0[48]|[02468][048]00|"
        r"[13579][26]00)-02-29|\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-"
        r"(?:0[1-9]|[12]\d|30)|(?:02)-(?:0[1-9]|1\d|2[0-8])))$",
    },
}

CLOSED: dict[str, Any] = {"type": "object", "additionalProperties": False}
KIND: dict[str, Any] = {"type": "object", "required": ["kind"]}
CASES = {
    **KIND,
    "properties": {"kind": {"enum": ["a", "b"]}},
    "if": {"properties": {"kind": {"const": "a"}}},
    "then": {"required": ["x"]},
    "else": {"required": ["y"]},
}
TEXT_CASES = {
    **KIND,
    "properties": {"kind": {"type": "string"}},
    "allOf": [
        {"if": {"properties": {"kind": {"const": text}}}, "then": {"required": ["x"]}}
        for text in ("ab", "b")
    ],
}

# Schemas, a text that each allows, and one that it does not.
REWRITTEN: list[tuple[Any, str, str]] = [
    ({"type": "string", "anything": 1, "x-order": {"not": 1}}, '"a"', "1"),
    ({"format": "email", "pattern": "^.*@b[.]de$", "type": "string"}, '"a@b.de"', '"a@b.com"'),
    ({"format": "color", "type": "string"}, '"a"', "1"),
    ({"type": "string", "pattern": "^(?=.*[A-Z])(?!\\.)[\\w.]{3}$"}, '"aB."', '"aab"'),
    ({"type": "string", "pattern": "^(?!.*\\.\\.)[\\w.]+$"}, '"a.b."', '"a..b"'),
    (ZOD["email"], '"joe.b+x@example.co.uk"', '".joe@example.com"'),
    (ZOD["email"], '"joe@example.com"', '"joe..b@example.com"'),
    (
        ZOD["uuid"],
        '"00000000-0000-4000-8000-000000000000"',
        '"00000000-0000-9000-8000-000000000000"',
    ),
    (ZOD["date"], '"2024-02-29"', '"2023-02-29"'),
    ({"type": "number", "minimum": 1, "exclusiveMinimum": True}, "1.5", "1"),
    ({"items": [{"type": "null"}], "additionalItems": False}, "[null]", "[null,1]"),
    ({"not": {"type": ["string", "integer"]}}, "[1]", '"a"'),
    ({"enum": [1, 2, True], "not": {"const": 1.0}}, "true", "1"),
    ({"type": "object", "not": {"required": ["a"]}}, '{"b":1}', '{"a":1}'),
    ({"type": "object", "dependentRequired": {"a": ["b"]}}, '{"b":1}', '{"a":1}'),
    ({"type": "object", "dependencies": {"a": {"required": ["b"]}}}, '{"c":1}', '{"a":1}'),
    ({"propertyNames": {"enum": ["a", "b"]}, "type": "object"}, '{"b":1}', '{"c":1}'),
    ({"propertyNames": {"type": "string"}, "type": "object"}, '{"b":1}', "[]"),
    ({"propertyNames": {"pattern": "^a"}, "type": "object"}, '{"ab":1}', '{"b":1}'),
    ({"propertyNames": False, "type": "object"}, "{}", '{"b":1}'),
    ({"properties": {"a": {}}, "unevaluatedProperties": {"type": "null"}}, '{"b":null}', '{"b":1}'),
    (
        {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        '{"b":1}',
        '{"a":1,"b":1}',
    ),
    ({"type": "object", "not": {"required": ["a", "b"]}}, '{"b":1}', '{"a":1,"b":1}'),
    ({"not": {"required": [], "const": 1}}, "2", "1"),
    ({"then": False, "else": False, "type": "string"}, '"a"', "1"),
    ({"allOf": [True], "type": "string"}, '"a"', "1"),
    ({"not": {"required": ["a"]}}, '{"b":1}', "1"),
    ({"not": {"anyOf": [{"required": ["a"]}, {"const": 1}]}}, '{"b":1}', '{"a":1}'),
    ({"not": {"enum": ["a", "b\\", None]}, "type": ["string", "null"]}, '"b"', '"b\\\\"'),
    ({"not": {"enum": ["a", "b\\", None]}, "type": ["string", "null"]}, '"ab"', "null"),
    ({"not": {"enum": [1, 2.5]}, "type": "number"}, "2", "2.5"),
    (CASES, '{"kind":"a","x":1}', '{"kind":"a","y":1}'),
    (CASES, '{"kind":"b","y":1}', '{"kind":"b"}'),
    (TEXT_CASES, '{"kind":"abc"}', '{"kind":"ab"}'),
    (TEXT_CASES, '{"kind":"ab","x":1}', '{"kind":"ab","y":1}'),
    ({"if": {"type": "string"}, "then": {"maxLength": 1}}, "5", '"ab"'),
    ({"if": {"type": "string"}, "else": {"type": "null"}}, "null", "5"),
    (
        {"items": {"enum": ["a", "b"]}, "uniqueItems": True, "type": "array"},
        '["b","a"]',
        '["a","a"]',
    ),
    ({"items": {"enum": [*"abcdefghi"]}, "uniqueItems": True}, '["a","i"]', '["i","i"]'),
    (
        {"type": ["array", "null"], "items": {"type": "boolean"}, "uniqueItems": True},
        "null",
        "[true,true]",
    ),
    (
        {"items": {"$ref": "#/$defs/a"}, "uniqueItems": True, "$defs": {"a": {"enum": [1, 2]}}},
        "[2,1]",
        "[2,2]",
    ),
    ({"type": "array", "contains": {"const": 1}}, "[1,2]", "[2]"),
    ({"type": "array", "contains": {}}, "[2]", "[]"),
    ({"contains": {"const": 1}, "minContains": 2, "maxContains": 3}, "[1,1,2]", "[1,1,1,1]"),
    ({"type": "string", "pattern": r'^[^"\\]{2}$'}, '"a\\n"', '"a\\""'),
    ({"type": "string", "pattern": r"^[^\\\n]$"}, '"\\t"', '"\\\\"'),
    ({"type": "string", "pattern": r"^[\x00-\x1fa\x00]|\x00$"}, '"a"', '"\\""'),
    ({"type": "string", "pattern": "^[a&&b[~]+$"}, '"a&["', '"c"'),
    (CLOSED | {"patternProperties": {'^[^"]$': {}}}, '{"a":1}', '{"\\"":1}'),
    ({"$id": "http://a/b", "$ref": "http://a/b#/$defs/c", "$defs": {"c": {"const": 1}}}, "1", "2"),
    ({"properties": {"a": {"$ref": "#/x/y"}}, "x": {"y": {"const": 1}}}, '{"a":1}', '{"a":2}'),
    ({"maximum": 2**63, "type": "integer"}, "9007199254740992", "9007199254740993"),
    ({"x-guidance": {"lenient": True}, "type": "integer"}, "1", '"a"'),
]


@pytest.mark.parametrize(("schema", "inside", "outside"), REWRITTEN, ids=lambda value: str(value))
def test_keywords_written_with_others(schema: Any, inside: str, outside: str) -> None:
    written = grammar(schema)
    assert written.matches(inside)
    assert not written.matches(outside)


def test_a_pattern_beside_a_format_leaves_objects_closed() -> None:
    written = grammar({"properties": {"to": ZOD["email"]}})
    assert written.matches('{"to": "a@b.de"}')
    assert not written.matches('{"to": "a@b.de", "cc": 1}')


def test_names_have_one_spelling() -> None:
    written = grammar({"properties": {"a": {"type": "null"}}, "additionalProperties": {}})
    assert written.matches('{"a":null,"b":1}')
    assert not written.matches('{"\\u0061":1}')


def test_recursion_through_combinations_is_bounded() -> None:
    link = {"type": "object", "properties": {"next": {"$ref": "#/$defs/link"}}}
    node = {
        "allOf": [{"$ref": "#/$defs/link"}],
        "properties": {"next": {"$ref": "#/$defs/node"}, "value": {"type": "integer"}},
    }
    with suppress(MatcherFailed):
        grammar({"$ref": "#/$defs/node", "$defs": {"link": link, "node": node}})


def test_true_is_not_one() -> None:
    assert not grammar({"enum": [1, True], "type": "integer"}).matches("true")
    assert grammar({"enum": [1], "const": 1.0}).matches("1")
