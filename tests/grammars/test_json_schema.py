"""Grammars of JSON Schemas are sound, allow what people expect, or are refused."""

from __future__ import annotations

import json
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

from openedai.grammars.gbnf import Rules
from openedai.grammars.json_schema.schema import UnsupportedSchema, json_object, json_schema
from tests.grammars.gbnf_language import Grammar
from tests.grammars.gbnf_text import gbnf_text
from tests.grammars.schemas import SCHEMAS, validator


def grammar(schema: Any) -> Grammar:
    return Grammar(gbnf_text(lambda rules: json_schema(schema, rules)))


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.filter_too_much])
@given(SCHEMAS, st.integers(0, 10**6))
def test_every_text_of_the_grammar_validates(schema: Any, seed: int) -> None:
    try:
        written = grammar(schema)
    except UnsupportedSchema as error:
        event(str(error).partition(" (at")[0])
        assume(False)
    random = Random(seed)
    check = validator(schema)
    for _ in range(3):
        check.validate(json.loads(written.sample(random)))


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
    assert written.matches(json.dumps(document))
    assert written.matches(json.dumps(document, indent=4))
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
    rules = Rules()
    text = rules.text(json_schema({**schema, "required": ["p30"]}, rules))
    assert len(text) < 20_000
    written = Grammar(text)
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
    for text in ('"ab"', r'"\u00e9\n"', r'"\"\\\/"', '"😀é"'):
        assert written.matches(text)
    for text in ('"a"', '"abcd"', '"a\nb"', r'"\ud83d\ude00"', r'"a\x"', '"ab'):
        assert not written.matches(text)


def test_the_grammar_of_a_long_string_is_small() -> None:
    rules = Rules()
    text = rules.text(json_schema({"type": "string", "maxLength": 100_000}, rules))
    assert len(text) < 40_000
    written = Grammar(rules.text(json_schema({"type": "string", "maxLength": 1000}, rules)))
    assert written.matches(f'"{"x" * 1000}"')
    assert not written.matches(f'"{"x" * 1001}"')


def test_many_values() -> None:
    values = [f"value-{number}" for number in range(5000)]
    written = grammar({"enum": values})
    assert written.matches('"value-4999"')
    assert not written.matches('"value-5000"')
    assert not written.matches('"value-"')


def test_deep_schemas() -> None:
    schema: Any = {"type": "integer"}
    document: Any = 1
    for _ in range(300):
        schema = {"type": "array", "items": schema, "minItems": 1}
    for _ in range(30):
        document = [document]
    assert len(json.dumps(schema)) > 10_000
    grammar(schema)
    assert grammar({"items": {"$ref": "#"}, "type": ["array", "integer"]}).matches(
        json.dumps(document)
    )


def test_any_object() -> None:
    rules = Rules()
    written = Grammar(rules.text(json_object(rules)))
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
    ({"not": {}}, "#/not"),
    ({"type": "text"}, "#/type"),
    ({"type": []}, "#/type"),
    ({"properties": {"a/b": {"pattern": "(?=a)"}}}, "#/properties/a~1b/pattern"),
    ({"properties": {"a": {"format": "color"}}}, "#/properties/a/format"),
    ({"properties": {"a": 1}}, "#/properties"),
    ({"properties": {"a": False}, "required": ["a"]}, "#"),
    ({"required": ["a"], "additionalProperties": False}, "#"),
    ({"required": "a"}, "#/required"),
    ({"type": "object", "minProperties": 2}, "#/minProperties"),
    ({"properties": {"a": {}, "b": {}}, "minProperties": 2}, "#/minProperties"),
    ({"properties": {"a": {}, "b": {}}, "maxProperties": 1}, "#/maxProperties"),
    ({"properties": {"a": {}}, "propertyNames": {"maxLength": 2}}, "#/propertyNames"),
    ({"patternProperties": {"a": {}, "b": {}}}, "#/patternProperties"),
    ({"patternProperties": {"(": {}}}, "#/patternProperties/("),
    (
        {"properties": {"a" * 65: {}}, "additionalProperties": {"type": "null"}},
        "#/additionalProperties",
    ),
    ({"items": [{"type": "null"}]}, "#/items"),
    ({"type": "array", "uniqueItems": True}, "#/uniqueItems"),
    ({"type": "array", "minItems": 3, "maxItems": 2}, "#"),
    ({"type": "array", "maxItems": 100_001}, "#/maxItems"),
    ({"type": "string", "minLength": 3, "maxLength": 2}, "#"),
    ({"type": "string", "minLength": -1}, "#/minLength"),
    ({"type": "string", "pattern": "^a+b+$", "maxLength": 9}, "#/maxLength"),
    ({"type": "string", "pattern": "^a+$", "format": "date"}, "#/pattern"),
    ({"type": "string", "pattern": "^a{3}$", "minLength": 4}, "#/minLength"),
    ({"type": "integer", "minimum": 2, "maximum": 1}, "#"),
    ({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2}, "#"),
    ({"type": "integer", "multipleOf": 7}, "#/multipleOf"),
    ({"type": "number", "multipleOf": 0.01}, "#/multipleOf"),
    ({"type": "number", "minimum": 1e20}, "#/minimum"),
    ({"type": "integer", "maximum": 10**40}, "#/maximum"),
    ({"type": "number", "exclusiveMinimum": True}, "#/exclusiveMinimum"),
    ({"enum": []}, "#"),
    ({"enum": ["\ud800"]}, "#/enum"),
    ({"enum": ["a"], "type": "integer"}, "#"),
    ({"enum": ["a"], "minLength": 1}, "#/minLength"),
    ({"$ref": "#"}, "#"),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}, "#/$defs/a"),
    ({"$ref": "#/$defs/a"}, "#/$ref"),
    ({"$ref": "https://example.com/schema"}, "#/$ref"),
    ({"$ref": "#anchor"}, "#/$ref"),
    ({"properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "#"),
    ({"anyOf": []}, "#/anyOf"),
    ({"anyOf": [False]}, "#"),
    ({"oneOf": [{"type": "string"}, {"maxLength": 3}]}, "#/oneOf"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "#/oneOf"),
    (
        {"oneOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"a": {"const": 2}}}]},
        "#/oneOf",
    ),
    ({"allOf": [{"pattern": "a"}, {"pattern": "b"}]}, "#/pattern"),
    ({"allOf": [{"type": "string"}, {"type": "null"}]}, "#"),
    ({"allOf": [{"prefixItems": [{}]}, {"items": {"type": "null"}}]}, "#/prefixItems"),
    (
        {"allOf": [{"patternProperties": {"a": {}}}, {"additionalProperties": False}]},
        "#/patternProperties",
    ),
    ({"properties": {"a": {"$id": "x"}}}, "#/properties/a/$id"),
    ({"properties": {"\ud800": {}}}, "#/properties/\ud800"),
    (
        {
            "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/a/0"}]},
            "$defs": {"a": [{"if": {}}]},
        },
        "#/$defs/a/0/if",
    ),
]


@pytest.mark.parametrize(("schema", "path"), UNSUPPORTED, ids=lambda value: ascii(value))
def test_unsupported_schemas_are_refused(schema: Any, path: str) -> None:
    with pytest.raises(UnsupportedSchema) as caught:
        json_schema(schema, Rules())
    assert caught.value.path == path
    assert f"(at `{path}`)" in str(caught.value)


def test_deeply_nested_values_are_refused() -> None:
    value: Any = 1
    for _ in range(900):
        value = [value]
    with pytest.raises(UnsupportedSchema, match="deep"):
        json_schema({"const": value}, Rules())


def test_recursion_through_combinations_terminates() -> None:
    link = {"type": "object", "properties": {"next": {"$ref": "#/$defs/link"}}}
    node = {
        "allOf": [{"$ref": "#/$defs/link"}],
        "properties": {"next": {"$ref": "#/$defs/node"}, "value": {"type": "integer"}},
    }
    written = grammar({"$ref": "#/$defs/node", "$defs": {"link": link, "node": node}})
    assert written.matches('{"next":{"next":{},"value":1},"value":2}')


def test_true_is_not_one() -> None:
    both = {"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"a": {"const": True}}}]}
    assert not grammar({**both, "type": "object"}).matches('{"a":1}')
    assert not grammar({"enum": [1, True], "type": "integer"}).matches("true")
    assert grammar({"enum": [1], "const": 1.0}).matches("1")


def test_schemas_share_the_rules_of_a_grammar() -> None:
    rules = Rules()
    first = json_schema({"type": "object", "properties": {"a": {}}}, rules)
    second = json_schema({"type": "array", "items": {"type": "number"}}, rules)
    assert Grammar(rules.text(first)).matches('{"a": {"b": 1}}')
    assert Grammar(rules.text(second)).matches("[1.5, 2]")
    with pytest.raises(UnsupportedSchema, match="complete"):
        json_schema({"properties": {"a": {"$ref": "#"}}, "required": ["a"]}, rules)


def test_too_many_combinations_are_refused() -> None:
    pairs = [{"anyOf": [{"required": [f"a{at}"]}, {"required": [f"b{at}"]}]} for at in range(12)]
    with pytest.raises(UnsupportedSchema, match="alternatives"):
        json_schema({"allOf": pairs}, Rules())
