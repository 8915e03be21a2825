"""Tools of chat completions. The echo engine says what the user said: here, a model's raw text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.api.answers import chat, refusal

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def tool(name: str, parameters: object = None, **more: Any) -> dict[str, Any]:
    given = {} if parameters is None else {"parameters": parameters}
    return {"type": "function", "function": {"name": name, **given, **more}}


TOOLS = [tool("get_weather", CITY, description="The weather."), tool("get_time")]
PARIS = '{"city": "Paris"}'
CALL = f'{{"name": "get_weather", "arguments": {PARIS}}}'
TIME = '{"name": "get_time", "arguments": {}}'
TWO = f"<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{TIME}\n</tool_call>"
WEATHER_CALL, TIME_CALL = ("get_weather", PARIS), ("get_time", "{}")
both_ways = pytest.mark.parametrize("stream", [False, True])


@both_ways
@pytest.mark.parametrize(
    "reply",
    [
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"```json\n{CALL}\n```",
        CALL,
        f"[TOOL_CALLS][{CALL}]",
        f"<|python_tag|>{CALL.replace('arguments', 'parameters')}",
    ],
    ids=["hermes", "fence", "bare", "mistral", "llama"],
)
def test_a_call_in_every_form(client: OpenAI, reply: str, stream: bool) -> None:
    answer = chat(client, stream, messages=reply, tools=TOOLS)
    result = answer.only
    assert (result.text, result.calls, result.reason) == ("", [WEATHER_CALL], "tool_calls")
    assert result.ids[0].startswith("call_")


@both_ways
@pytest.mark.parametrize(
    "reply",
    ["It is sunny.", '{"name": "nuke", "arguments": {}}', "```json\n[1, 2]\n```", "a < b [c] {d}"],
    ids=["prose", "unknown name", "other JSON", "signs"],
)
def test_what_is_no_call_stays_text(client: OpenAI, reply: str, stream: bool) -> None:
    result = chat(client, stream, messages=reply, tools=TOOLS).only
    assert (result.text, result.calls, result.reason) == (reply, [], "stop")


@both_ways
def test_text_before_a_call(client: OpenAI, stream: bool) -> None:
    result = chat(client, stream, messages=f"Let me see. {TWO}", tools=TOOLS).only
    assert result.text == "Let me see."
    assert (result.calls, result.reason) == ([WEATHER_CALL, TIME_CALL], "tool_calls")


@both_ways
def test_without_tools_a_call_is_text(client: OpenAI, stream: bool) -> None:
    result = chat(client, stream, messages=CALL).only
    assert (result.text, result.calls, result.reason) == (CALL, [], "stop")


@pytest.mark.parametrize(("reply", "content"), [(CALL, None), (f"So: {CALL}", "So:")])
def test_content_is_null_where_there_are_only_calls(
    client: OpenAI, reply: str, content: str | None
) -> None:
    create: Any = client.chat.completions.create
    messages = [{"role": "user", "content": reply}]
    answer = create(model="echo", messages=messages, tools=TOOLS)
    assert answer.choices[0].message.to_dict()["content"] == content


def test_arguments_are_streamed_in_parts(client: OpenAI) -> None:
    create: Any = client.chat.completions.create
    messages = [{"role": "user", "content": CALL}]
    chunks = create(model="echo", messages=messages, tools=TOOLS, stream=True)
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert (deltas[0].role, deltas[0].content) == ("assistant", None)
    parts = [delta.tool_calls[0].function.arguments for delta in deltas if delta.tool_calls]
    assert len(parts) > 2
    assert "".join(parts) == PARIS


@both_ways
@pytest.mark.parametrize(
    ("parallel", "calls"),
    [(None, [WEATHER_CALL, TIME_CALL]), (True, [WEATHER_CALL, TIME_CALL]), (False, [WEATHER_CALL])],
)
def test_parallel_calls(
    client: OpenAI, parallel: bool | None, calls: list[tuple[str, str]], stream: bool
) -> None:
    body = {} if parallel is None else {"parallel_tool_calls": parallel}
    result = chat(client, stream, messages=TWO, tools=TOOLS, **body).only
    assert (result.text, result.calls, result.reason) == ("", calls, "tool_calls")
    assert len(set(result.ids)) == len(calls)


ALLOWED = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "get_time"}}]}
NAMED = {"type": "function", "function": {"name": "get_time"}}
CHOICES: list[tuple[object, list[str], bool, bool]] = [
    ("none", [], False, True),
    ("auto", ["get_weather", "get_time"], False, True),
    ("required", ["get_weather", "get_time"], True, True),
    (NAMED, ["get_time"], True, False),
    ({"type": "allowed_tools", "allowed_tools": ALLOWED}, ["get_time"], False, True),
    (
        {"type": "allowed_tools", "allowed_tools": {**ALLOWED, "mode": "required"}},
        ["get_time"],
        True,
        True,
    ),
]


@pytest.mark.parametrize(("choice", "names", "required", "parallel"), CHOICES)
def test_the_engine_request_of_a_tool_choice(
    client: OpenAI, choice: object, names: list[str], required: bool, parallel: bool
) -> None:
    result = chat(client, False, model="reveal", messages="hi", tools=TOOLS, tool_choice=choice)
    received = json.loads(result.only.text)["prompt"]
    assert [one["name"] for one in received.get("tools", [])] == names
    assert received.get("call_required", False) == required
    assert received.get("parallel_calls", True) == parallel


def test_the_engine_request_of_a_tool(client: OpenAI) -> None:
    tools = [tool("f", CITY, description="d", strict=True), tool("g", strict=False), tool("h", {})]
    result = chat(client, False, model="reveal", messages="hi", tools=tools).only
    assert json.loads(result.text)["prompt"]["tools"] == [
        {"name": "f", "description": "d", "parameters": CITY, "strict": True},
        {"name": "g"},
        {"name": "h", "parameters": {}},
    ]


@both_ways
@pytest.mark.parametrize(
    ("choice", "call"),
    [("required", ("get_weather", '{"city":""}')), (NAMED, ("get_time", "{}"))],
    ids=["any", "named"],
)
def test_a_required_call(
    client: OpenAI, choice: object, call: tuple[str, str], stream: bool
) -> None:
    result = chat(client, stream, messages="hi", tools=TOOLS, tool_choice=choice).only
    assert (result.text, result.calls, result.reason) == ("", [call], "tool_calls")


@both_ways
def test_with_none_a_call_is_text(client: OpenAI, stream: bool) -> None:
    result = chat(client, stream, messages=CALL, tools=TOOLS, tool_choice="none").only
    assert (result.text, result.calls, result.reason) == (CALL, [], "stop")


@both_ways
def test_a_truncated_call(client: OpenAI, stream: bool) -> None:
    answer = chat(client, stream, messages=CALL, tools=TOOLS, max_tokens=4)
    ((name, arguments),) = answer.only.calls
    assert (name, answer.only.reason) == ("get_weather", "length")
    assert PARIS.startswith(arguments)
    assert answer.usage.completion_tokens == 4


@both_ways
def test_a_stop_before_a_call(client: OpenAI, stream: bool) -> None:
    result = chat(client, stream, messages=f"One STOP {CALL}", tools=TOOLS, stop=" STOP").only
    assert (result.text, result.calls, result.reason) == ("One", [], "stop")


@both_ways
def test_calls_of_several_choices_do_not_mix(client: OpenAI, stream: bool) -> None:
    answer = chat(client, stream, messages=TWO, tools=TOOLS, n=2)
    for result in answer.choices:
        assert (result.calls, result.reason) == ([WEATHER_CALL, TIME_CALL], "tool_calls")
    ids = [one for result in answer.choices for one in result.ids]
    assert len(set(ids)) == 4


NO_OBJECT = {"type": "string"}
NO_GRAMMAR = {"type": "object", "properties": {"a": {"uniqueItems": True}}}
MALFORMED = {"type": "object", "properties": 5}
CUSTOM = {"type": "custom", "custom": {"name": "f"}}

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"tools": {}}, "invalid_type", "tools"),
    ({"tools": [5]}, "invalid_type", "tools[0]"),
    ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].function"),
    (
        {"tools": [{"type": "function", "function": {}}]},
        "missing_required_parameter",
        "tools[0].function.name",
    ),
    ({"tools": [{"type": "poem"}]}, "invalid_value", "tools[0].type"),
    ({"tools": [tool("f"), CUSTOM]}, "invalid_value", "tools[1].custom.name"),
    ({"tools": [tool("f g")]}, "invalid_value", "tools[0].function.name"),
    ({"tools": [tool("")]}, "invalid_value", "tools[0].function.name"),
    ({"tools": [tool("f", 5)]}, "invalid_type", "tools[0].function.parameters"),
    ({"tools": [tool("f"), tool("f")]}, "invalid_value", "tools[1].function.name"),
    ({"tools": [tool("f", mood=1)]}, "unknown_parameter", "tools[0].function.mood"),
    ({"tools": [tool(f"f{n}") for n in range(129)]}, "array_above_max_length", "tools"),
    (
        {"tools": [tool("f", NO_OBJECT)]},
        "invalid_function_parameters",
        "tools[0].function.parameters",
    ),
    ({"tools": [tool("f", NO_GRAMMAR, strict=True)]}, "invalid_function_parameters", "tools"),
    (
        {"tools": [tool("f", MALFORMED)]},
        "invalid_function_parameters",
        "tools[0].function.parameters",
    ),
    ({"tools": TOOLS, "tool_choice": "maybe"}, "invalid_value", "tool_choice"),
    ({"tools": TOOLS, "tool_choice": 5}, "invalid_type", "tool_choice"),
    ({"tools": TOOLS, "tool_choice": CUSTOM}, "invalid_value", "tool_choice"),
    (
        {"tools": TOOLS, "tool_choice": {**NAMED, "function": {"name": "nope"}}},
        "invalid_value",
        "tool_choice",
    ),
    (
        {
            "tools": [tool("f")],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": ALLOWED},
        },
        "invalid_value",
        "tool_choice",
    ),
    ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
    ({"tool_choice": NAMED}, "invalid_value", "tool_choice"),
    ({"tools": [], "tool_choice": NAMED}, "invalid_value", "tool_choice"),
    ({"parallel_tool_calls": True}, "invalid_value", "parallel_tool_calls"),
    ({"tools": TOOLS, "functions": [{"name": "f"}]}, "invalid_value", "functions"),
]


@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_bad_tools(client: OpenAI, change: dict[str, Any], code: str, param: str) -> None:
    assert refusal(client, **change) == (code, param)


def test_a_schema_that_is_not_strict_is_not_enforced(client: OpenAI) -> None:
    tools = [tool("f", NO_GRAMMAR)]
    result = chat(client, False, messages="hi", tools=tools, tool_choice="required").only
    assert result.calls == [("f", "{}")]
