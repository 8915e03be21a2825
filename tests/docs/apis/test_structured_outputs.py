"""docs/structured-outputs.md agrees with the code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openedai.grammars.gbnf import LARGEST_REPEAT
from openedai.grammars.json_schema.keywords import COMBINING, OF_TYPE, REFUSED, REWRITTEN
from openedai.grammars.json_schema.schema import UnsupportedSchema, lark_json
from openedai.grammars.lark.rules import LarkRules
from openedai.grammars.string_formats import PATTERNS
from tests.docs.pages import ROOT, code_words, section, tables
from tests.grammars.llguidance_language import Language

PAGE = "docs/structured-outputs.md"
KEYWORDS, FORMAT_ROWS = tables(section(PAGE, "JSON Schema"))

TWO: dict[str, Any] = {"properties": {"a": {"type": "null"}, "b": {"type": "null"}}}
TAGGED = [{"properties": {"k": {"const": tag}}, "required": ["k"]} for tag in ("a", "b")]

# A schema that is about the keyword, a text that it allows, and one that only the keyword forbids.
ENFORCED: dict[str, tuple[Any, str, str]] = {
    "type": ({"type": ["string", "null"]}, "null", "1"),
    "enum": ({"enum": [1, "a"]}, '"a"', '"b"'),
    "const": ({"const": {"a": 1}}, '{"a": 1}', '{"a": 2}'),
    "properties": (TWO, '{"a":null,"b":null}', '{"a":1}'),
    "required": ({**TWO, "required": ["b"]}, '{"b":null}', '{"a":null}'),
    "additionalProperties": ({"additionalProperties": {"type": "null"}}, '{"a":null}', '{"a":1}'),
    "propertyNames": ({"propertyNames": {"maxLength": 1}}, '{"a":1}', '{"ab":1}'),
    "patternProperties": (
        {"patternProperties": {"^a": {"type": "null"}}},
        '{"ab":null}',
        '{"ab":1}',
    ),
    "minProperties": ({**TWO, "minProperties": 1}, '{"b":null}', "{}"),
    "maxProperties": ({"maxProperties": 1}, '{"a":1}', '{"a":1,"b":2}'),
    "items": ({"items": {"type": "null"}}, "[null, null]", "[1]"),
    "prefixItems": ({"prefixItems": [{"type": "null"}]}, "[null,1]", "[1]"),
    "minItems": ({"minItems": 2}, "[1,2]", "[1]"),
    "maxItems": ({"maxItems": 2}, "[1,2]", "[1,2,3]"),
    "uniqueItems": ({"uniqueItems": True, "maxItems": 1}, "[1]", "[1,1]"),
    "minLength": ({"minLength": 2}, '"ab"', '"a"'),
    "maxLength": ({"maxLength": 2}, '"ab"', '"abc"'),
    "pattern": ({"pattern": "^a+$"}, '"aa"', '"ab"'),
    "format": ({"format": "ipv4"}, '"10.0.0.255"', '"10.0.0.256"'),
    "minimum": ({"type": "number", "minimum": 1.5}, "1.50", "1.4"),
    "maximum": ({"type": "integer", "maximum": 10}, "10", "11"),
    "exclusiveMinimum": ({"type": "number", "exclusiveMinimum": 0}, "0.01", "0"),
    "exclusiveMaximum": ({"type": "integer", "exclusiveMaximum": 10}, "9", "10"),
    "multipleOf": ({"type": "integer", "multipleOf": 100}, "-300", "-310"),
    "$ref": ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}, "null", "1"),
    "anyOf": ({"anyOf": [{"const": 1}, {"type": "null"}]}, "1", "2"),
    "oneOf": ({"type": "object", "oneOf": TAGGED}, '{"k":"b"}', '{"k":"c"}'),
    "additionalItems": (
        {"items": [{"type": "null"}], "additionalItems": False},
        "[null]",
        "[null,1]",
    ),
    "dependencies": ({**TWO, "dependencies": {"a": ["b"]}}, '{"b":null}', '{"a":null}'),
    "dependentRequired": ({**TWO, "dependentRequired": {"a": ["b"]}}, '{"b":null}', '{"a":null}'),
    "dependentSchemas": (
        {**TWO, "dependentSchemas": {"a": {"required": ["b"]}}},
        '{"b":null}',
        '{"a":null}',
    ),
    "contains": ({"contains": {"const": 1}}, "[1,2]", "[2]"),
    "minContains": ({"contains": {"const": 1}, "minContains": 2}, "[1,1]", "[1,2]"),
    "maxContains": ({"contains": {"const": 1}, "maxContains": 1}, "[1,2]", "[1,1]"),
    "if": ({**TWO, "if": {"required": ["a"]}, "then": {"required": ["b"]}}, "{}", '{"a":null}'),
    "then": ({"if": {"type": "string"}, "then": {"const": "a"}}, '"a"', '"b"'),
    "else": ({"if": {"type": "string"}, "else": {"const": 1}}, "1", "2"),
    "not": ({"not": {"type": "null"}}, "1", "null"),
    "unevaluatedProperties": ({"unevaluatedProperties": {"type": "null"}}, '{"a":null}', '{"a":1}'),
    "unevaluatedItems": (
        {"prefixItems": [{}], "unevaluatedItems": False},
        "[1]",
        "[1,2]",
    ),
    "allOf": ({"allOf": [{"minItems": 1}, {"maxItems": 1}]}, "[1]", "[1,2]"),
}
# A text of each format as others write it, and one that is none.
TEXTS = {
    "date": ("2024-02-29", "2023-02-29"),
    "time": ("12:30:00.5+02:00", "12:30"),
    "date-time": ("2024-02-29T23:59:59Z", "2024-02-29 23:59:59Z"),
    "duration": ("P1Y2M3DT4H5M6S", "P1S"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000"),
    "ipv4": ("192.168.0.1", "192.168.0.01"),
    "ipv6": ("2001:db8::8a2e:370:7334", "2001:db8:::1"),
    "hostname": ("www.my-site.example.com", "-a.com"),
    "email": ("joe.bloggs+x@example.co.uk", "joe@"),
    "json-pointer": ("/a~1b/0", "a"),
    "relative-json-pointer": ("1/a", "/a"),
    "regex": ("^a.*", "(("),
    "iri": ("https://example.com/a", "example"),
    "iri-reference": ("a/b?c", "a b"),
    "uri-reference": ("../a#b", "a b"),
    "uri-template": ("https://example.com/a", "{a"),
    "idn-email": ("joe@example.com", "joe@"),
    "idn-hostname": ("example.com", "-a"),
    "uri": ("https://example.com:8080/a/b?c=d&e#f", "example.com/a b"),
}


def documented(*statuses: str) -> list[str]:
    return [row[0].strip("`") for row in KEYWORDS if row[1] in statuses]


def grammar(schema: Any) -> str:
    return LarkRules().text(lark_json(schema))


def test_every_keyword_has_one_row() -> None:
    enforced = {"type", "enum", "const"}.union(COMBINING, REWRITTEN, *OF_TYPE.values())
    assert len(KEYWORDS) == len({row[0] for row in KEYWORDS})
    assert {*documented("enforced", "partly")} == enforced
    assert {*documented("refused")} == {*REFUSED}
    assert {row[1] for row in KEYWORDS} == {"enforced", "partly", "refused"}


@pytest.mark.parametrize("keyword", documented("enforced", "partly"))
def test_enforced(keyword: str) -> None:
    schema, allowed, forbidden = ENFORCED[keyword]
    assert f'"{keyword}"' in json.dumps(schema)
    written = Language(grammar(schema))
    assert written.matches(allowed)
    assert not written.matches(forbidden)


@pytest.mark.parametrize("keyword", documented("refused"))
def test_refused(keyword: str) -> None:
    with pytest.raises(UnsupportedSchema) as caught:
        grammar({"type": "string", keyword: {}})
    assert caught.value.path == f"#/{keyword}"


@pytest.mark.parametrize("keyword", ["title", "nullable", "$schema", "x-anything"])
def test_annotations_have_no_effect(keyword: str) -> None:
    assert grammar({"type": "string", keyword: "x"}) == grammar({"type": "string"})


def test_every_format_has_one_row() -> None:
    assert [code_words(row[0])[0] for row in FORMAT_ROWS] == [*PATTERNS]


@pytest.mark.parametrize("name", PATTERNS)
def test_formats(name: str) -> None:
    written = Language(grammar({"type": "string", "format": name}))
    valid, wrong = TEXTS[name]
    assert written.matches(f'"{valid}"')
    assert not written.matches(f'"{wrong}"')


def test_the_limit_is_that_of_the_code() -> None:
    assert f"Up to {LARGEST_REPEAT}." in (ROOT / PAGE).read_text("utf-8")
