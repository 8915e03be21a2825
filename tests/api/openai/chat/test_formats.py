"""`response_format`, `grammar` and `regex` of chat completions, on an engine that follows none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI, pydantic_function_tool
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from tests.api.answers import chat, complete, refusal

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def json_schema(schema: object, **more: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, **more}}


class City(BaseModel):
    city: str
    days: int


ANSWER = City(city="Rome", days=3)


def user(content: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": content}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, {"type": "json_object"}),
        ({"response_format": json_schema(SCHEMA)}, {"type": "json_schema", "schema": SCHEMA}),
        (
            {"response_format": json_schema(SCHEMA, strict=True, description="d")},
            {"type": "json_schema", "schema": SCHEMA},
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            {"type": "json_schema", "schema": {}},
        ),
        ({"extra_body": {"regex": "a+"}}, {"type": "regex", "pattern": "a+"}),
        (
            {"extra_body": {"grammar": 'root ::= "a"'}},
            {"type": "grammar", "gbnf": 'root ::= "a"'},
        ),
    ],
)
def test_the_engine_request(client: OpenAI, body: dict[str, Any], expected: object) -> None:
    answer = chat(client, False, model="reveal", messages="hi", **body)
    assert json.loads(answer.only.text).get("constraint") == expected


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["grammar", "regex"])
def test_completions_have_grammar_and_regex(client: OpenAI, name: str, stream: bool) -> None:
    text = 'root ::= "a"' if name == "grammar" else "a+"
    body = {"prompt": "x", "max_tokens": 99, "extra_body": {name: text}}
    (result,) = complete(client, stream, model="reveal", **body)
    assert json.loads(result.text)["constraint"]["type"] == name


def test_an_answer_is_parsed_to_a_model(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="echo", messages=user(ANSWER.model_dump_json()), response_format=City
    )
    assert answer.choices[0].message.parsed == ANSWER


def test_a_streamed_answer_is_parsed_to_a_model(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="echo", messages=user(ANSWER.model_dump_json()), response_format=City
    ) as stream:
        answer = stream.get_final_completion()
    assert answer.choices[0].message.parsed == ANSWER


def test_a_call_is_parsed_to_a_model(client: OpenAI) -> None:
    call = json.dumps({"name": "City", "arguments": ANSWER.model_dump()})
    answer = client.chat.completions.parse(
        model="echo", messages=user(call), tools=[pydantic_function_tool(City)]
    )
    assert answer.choices[0].message.tool_calls is not None
    (made,) = answer.choices[0].message.tool_calls
    assert made.function.parsed_arguments == ANSWER


LEFT: Any = 'root ::= root "a"'
BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"response_format": "json"}, "invalid_type", "response_format"),
    ({"response_format": {}}, "missing_required_parameter", "response_format.type"),
    ({"response_format": {"type": "poem"}}, "invalid_value", "response_format.type"),
    (
        {"response_format": {"type": "text", "json_schema": {}}},
        "unknown_parameter",
        "response_format.json_schema",
    ),
    (
        {"response_format": {"type": "json_schema"}},
        "missing_required_parameter",
        "response_format.json_schema",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
        "missing_required_parameter",
        "response_format.json_schema.name",
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}},
        "invalid_value",
        "response_format.json_schema.name",
    ),
    (
        {"response_format": json_schema("object")},
        "invalid_type",
        "response_format.json_schema.schema",
    ),
    ({"response_format": json_schema({"not": {}})}, "invalid_json_schema", "response_format"),
    ({"response_format": json_schema({"type": "poem"})}, "invalid_json_schema", "response_format"),
    (
        {"response_format": json_schema({"$ref": "#/$defs/a"})},
        "invalid_json_schema",
        "response_format",
    ),
    (
        {"response_format": json_schema({"pattern": "(?=a)"}, strict=False)},
        "invalid_json_schema",
        "response_format",
    ),
    ({"grammar": 5}, "invalid_type", "grammar"),
    ({"grammar": ""}, "string_below_min_length", "grammar"),
    ({"grammar": "a" * 65537}, "string_above_max_length", "grammar"),
    ({"grammar": 'answer ::= "a"'}, "invalid_value", "grammar"),
    ({"grammar": "root ::= other"}, "invalid_value", "grammar"),
    ({"grammar": 'root ::= "a"{3000}'}, "invalid_value", "grammar"),
    ({"grammar": LEFT}, "invalid_value", "grammar"),
    ({"regex": ""}, "string_below_min_length", "regex"),
    ({"regex": "(a"}, "invalid_value", "regex"),
    ({"regex": r"(a)\1"}, "invalid_value", "regex"),
    ({"grammar": 'root ::= "a"', "regex": "a"}, "invalid_value", "regex"),
    (
        {"grammar": 'root ::= "a"', "response_format": {"type": "json_object"}},
        "invalid_value",
        "response_format",
    ),
    ({"regex": "a", "response_format": json_schema(SCHEMA)}, "invalid_value", "response_format"),
    (
        {
            "grammar": 'root ::= "a"',
            "tools": [{"type": "function", "function": {"name": "f"}}],
        },
        "invalid_value",
        "grammar",
    ),
]


@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_constraints_that_cannot_be_enforced_are_refused(
    client: OpenAI, change: dict[str, Any], code: str, param: str
) -> None:
    assert refusal(client, **change) == (code, param)


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"grammar": LEFT}, "invalid_value", "grammar"),
        ({"regex": "(a"}, "invalid_value", "regex"),
        ({"grammar": 'root ::= "a"', "regex": "a"}, "invalid_value", "regex"),
        (
            {"response_format": {"type": "json_schema"}},
            "missing_required_parameter",
            "response_format.json_schema",
        ),
    ],
)
def test_constraints_that_completions_refuse(
    client: OpenAI, change: dict[str, Any], code: str, param: str
) -> None:
    assert refusal(client, "/completions", prompt="x", **change) == (code, param)
