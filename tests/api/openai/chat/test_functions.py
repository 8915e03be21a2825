"""`functions` and `function_call`, the older names of tools."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.api.answers import chat, refusal

FUNCTIONS = [{"name": "f", "parameters": {"type": "object", "properties": {}}}, {"name": "g"}]
CALL = '{"name": "f", "arguments": {"a": 1}}'
both_ways = pytest.mark.parametrize("stream", [False, True])


@both_ways
def test_a_call(client: OpenAI, stream: bool) -> None:
    answer = chat(client, stream, messages=CALL, functions=FUNCTIONS)
    result = answer.only
    assert (result.text, result.calls, result.ids) == ("", [("f", '{"a": 1}')], [])
    assert result.reason == "function_call"


@both_ways
def test_only_the_first_call_counts(client: OpenAI, stream: bool) -> None:
    result = chat(client, stream, messages=f"{CALL}; {CALL}", functions=FUNCTIONS).only
    assert (result.calls, result.reason) == ([("f", '{"a": 1}')], "function_call")


@both_ways
def test_text(client: OpenAI, stream: bool) -> None:
    result = chat(client, stream, messages="hello", functions=FUNCTIONS).only
    assert (result.text, result.calls, result.reason) == ("hello", [], "stop")


@both_ways
def test_a_truncated_call(client: OpenAI, stream: bool) -> None:
    result = chat(client, stream, messages=CALL, functions=FUNCTIONS, max_tokens=4).only
    assert (result.calls[0][0], result.reason) == ("f", "length")


@both_ways
@pytest.mark.parametrize(
    ("choice", "calls", "reason"),
    [
        ("none", [], "stop"),
        ("auto", [("f", '{"a": 1}')], "function_call"),
        ({"name": "g"}, [("g", "{}")], "function_call"),
    ],
)
def test_every_choice(
    client: OpenAI, choice: object, calls: list[tuple[str, str]], reason: str, stream: bool
) -> None:
    text = "hi" if isinstance(choice, dict) else CALL
    result = chat(client, stream, messages=text, functions=FUNCTIONS, function_call=choice).only
    assert (result.calls, result.reason) == (calls, reason)


def test_a_function_and_its_result_reach_the_engine(client: OpenAI) -> None:
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "18"},
    ]
    result = chat(client, False, model="reveal", messages=messages, functions=FUNCTIONS[1:]).only
    received = json.loads(result.text)["prompt"]
    assert received["tools"] == [{"name": "g"}]
    assert received["parallel_calls"] is False
    assert received["messages"][1]["tool_calls"] == [{"id": "", "name": "f", "arguments": "{}"}]
    assert received["messages"][2] == {"role": "function", "name": "f", "content": "18"}


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"functions": [{}]}, "missing_required_parameter", "functions[0].name"),
    ({"functions": [{"name": "a b"}]}, "invalid_value", "functions[0].name"),
    ({"functions": [{"name": "f"}, {"name": "f"}]}, "invalid_value", "functions[1].name"),
    (
        {"functions": [{"name": "f", "parameters": {"type": "array"}}]},
        "invalid_function_parameters",
        "functions[0].parameters",
    ),
    ({"functions": FUNCTIONS, "function_call": {"name": "h"}}, "invalid_value", "function_call"),
    ({"functions": FUNCTIONS, "function_call": "maybe"}, "invalid_value", "function_call"),
    (
        {"functions": FUNCTIONS, "function_call": {}},
        "missing_required_parameter",
        "function_call.name",
    ),
    ({"function_call": {"name": "f"}}, "invalid_value", "function_call"),
]


@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_bad_functions(client: OpenAI, change: dict[str, Any], code: str, param: str) -> None:
    assert refusal(client, **change) == (code, param)
