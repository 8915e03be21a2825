"""Tools of Anthropic's messages. The echo engine says what the user said: a model's raw text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic import Anthropic

from tests.api.anthropic.messages import block_contents, create_message, refusal

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
EMPTY: dict[str, Any] = {"type": "object", "properties": {}}


def tool(name: str, schema: object = EMPTY, **fields: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": schema, **fields}


TOOLS = [tool("get_weather", CITY, description="The weather."), tool("get_time")]
CALL = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
TIME = '{"name": "get_time", "arguments": {}}'
TWO = f"<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{TIME}\n</tool_call>"
WEATHER_CALL: tuple[Any, ...] = ("tool_use", "get_weather", {"city": "Paris"})
TIME_CALL: tuple[Any, ...] = ("tool_use", "get_time", {})
both = pytest.mark.parametrize("stream", [False, True])


@both
def test_calls(anthropic_client: Anthropic, stream: bool) -> None:
    result = f"<think>Hm.</think>Let me see. {TWO}"
    answer = create_message(anthropic_client, stream, messages=result, tools=TOOLS)
    assert block_contents(answer) == [
        ("thinking", "Hm."),
        ("text", "Let me see."),
        WEATHER_CALL,
        TIME_CALL,
    ]
    assert answer.stop_reason == "tool_use"
    ids = {block.id for block in answer.content if block.type == "tool_use"}
    assert len(ids) == 2


@both
def test_without_tools_a_call_is_text(anthropic_client: Anthropic, stream: bool) -> None:
    for fields in ({}, {"tools": TOOLS, "tool_choice": {"type": "none"}}):
        answer = create_message(anthropic_client, stream, messages=CALL, **fields)
        assert (block_contents(answer), answer.stop_reason) == ([("text", CALL)], "end_turn")


@both
@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"type": "any"}, ("tool_use", "get_weather", {"city": ""})),
        ({"type": "tool", "name": "get_time"}, TIME_CALL),
    ],
)
def test_a_required_call(
    anthropic_client: Anthropic, choice: dict[str, str], called: Any, stream: bool
) -> None:
    answer = create_message(
        anthropic_client, stream, messages="hi", tools=TOOLS, tool_choice=choice
    )
    assert (block_contents(answer), answer.stop_reason) == ([called], "tool_use")


@both
@pytest.mark.parametrize(
    ("choice", "calls"),
    [
        ({"type": "auto"}, [WEATHER_CALL, TIME_CALL]),
        ({"type": "auto", "disable_parallel_tool_use": True}, [WEATHER_CALL]),
        ({"type": "any", "disable_parallel_tool_use": True}, [WEATHER_CALL]),
        ({"type": "tool", "name": "get_weather"}, [WEATHER_CALL]),
    ],
)
def test_parallel_calls(
    anthropic_client: Anthropic,
    choice: dict[str, Any],
    calls: list[tuple[Any, ...]],
    stream: bool,
) -> None:
    body = {"model": "calls", "messages": "hi", "tools": TOOLS, "tool_choice": choice}
    assert block_contents(create_message(anthropic_client, stream, **body)) == calls


@pytest.mark.parametrize(
    ("choice", "names", "required", "parallel"),
    [
        (None, ["get_weather", "get_time"], False, True),
        ({"type": "auto"}, ["get_weather", "get_time"], False, True),
        ({"type": "any"}, ["get_weather", "get_time"], True, True),
        ({"type": "tool", "name": "get_time"}, ["get_time"], True, False),
        ({"type": "none"}, [], False, True),
    ],
)
def test_the_engine_request_of_a_tool_choice(
    anthropic_client: Anthropic,
    choice: dict[str, Any] | None,
    names: list[str],
    required: bool,
    parallel: bool,
) -> None:
    parameters = {} if choice is None else {"tool_choice": choice}
    answer = create_message(
        anthropic_client, False, model="reveal", messages="hi", tools=TOOLS, **parameters
    )
    received = json.loads(block_contents(answer)[0][1])["prompt"]
    assert [one["name"] for one in received.get("tools", [])] == names
    assert received.get("call_required", False) == required
    assert received.get("parallel_calls", True) == parallel


def test_the_engine_request_of_a_tool(anthropic_client: Anthropic) -> None:
    tools = [
        tool("f", CITY, description="d", strict=True, type="custom", allowed_callers=["direct"]),
        tool("g", input_examples=[{"a": 1}], cache_control={"type": "ephemeral"}),
        tool("h", {"type": "object"}, defer_loading=False, eager_input_streaming=True),
    ]
    answer = create_message(anthropic_client, False, model="reveal", messages="hi", tools=tools)
    assert json.loads(block_contents(answer)[0][1])["prompt"]["tools"] == [
        {"name": "f", "description": "d", "parameters": CITY, "strict": True},
        {"name": "g", "parameters": {**EMPTY, "examples": [{"a": 1}]}},
        {"name": "h", "parameters": {"type": "object"}},
    ]


@both
def test_a_truncated_call(anthropic_client: Anthropic, stream: bool) -> None:
    """Of its input there is what was whole."""
    call = '{"name": "get_weather", "arguments": {"city": "Rome", "day": "to morrow"}}'
    answer = create_message(anthropic_client, stream, messages=call, tools=TOOLS, max_tokens=6)
    assert block_contents(answer) == [("tool_use", "get_weather", {"city": "Rome"})]
    assert answer.stop_reason == "max_tokens"


def test_numbers_of_any_size(anthropic_client: Anthropic) -> None:
    call = f'{{"name": "get_weather", "arguments": {{"city": {10**30}}}}}'
    answer = create_message(anthropic_client, False, messages=call, tools=TOOLS)
    assert block_contents(answer) == [("tool_use", "get_weather", {"city": 10**30})]
    messages = [
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": "hi"},
    ]
    assert create_message(anthropic_client, False, messages=messages).content


def test_a_call_and_its_result(anthropic_client: Anthropic) -> None:
    """An answer is sent back as it came, with the results of its calls."""
    first = create_message(
        anthropic_client, False, messages=f"<think>Hm.</think>So: {TWO}", tools=TOOLS
    )
    calls = [block for block in first.content if block.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": calls[1].id, "content": "noon"},
        {"type": "tool_result", "tool_use_id": calls[0].id, "content": "sun"},
        {"type": "text", "text": "Well?"},
    ]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": results},
    ]
    answer = create_message(
        anthropic_client, False, model="reveal", messages=messages, max_tokens=4000
    )
    assert json.loads(block_contents(answer)[0][1])["prompt"]["messages"] == [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": "So:",
            "reasoning": "Hm.",
            "tool_calls": [
                {"id": calls[0].id, "name": "get_weather", "arguments": '{"city":"Paris"}'},
                {"id": calls[1].id, "name": "get_time", "arguments": "{}"},
            ],
        },
        {"role": "tool", "content": "noon", "tool_call_id": calls[1].id},
        {"role": "tool", "content": "sun", "tool_call_id": calls[0].id},
        {"role": "user", "content": "Well?"},
    ]


NO_GRAMMAR = {"type": "object", "properties": {"a": {"uniqueItems": True}}}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"tools": {}}, "tools"),
    ({"tools": [5]}, "tools[0]"),
    ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
    ({"tools": [tool("f g")]}, "tools[0].name"),
    ({"tools": [tool("x" * 129)]}, "tools[0].name"),
    ({"tools": [tool("f"), tool("f")]}, "tools[1].name"),
    ({"tools": [tool("f", {"type": "string"})]}, "tools[0].input_schema"),
    ({"tools": [tool("f", [])]}, "tools[0].input_schema"),
    ({"tools": [tool("f", mood=1)]}, "tools[0].mood"),
    ({"tools": [tool("f", defer_loading=True)]}, "tools[0].defer_loading"),
    ({"tools": [tool("f", allowed_callers=["x"])]}, "tools[0].allowed_callers"),
    ({"tools": [tool("f", NO_GRAMMAR, strict=True)]}, "tools: "),
    ({"tools": [tool(f"f{number}") for number in range(513)]}, "tools"),
    (
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}]},
        "Unsupported value: 'tools[0].type' does not support 'web_search_20250305'",
    ),
    ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
    ({"tools": TOOLS, "tool_choice": "any"}, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": {"type": "maybe"}}, "tool_choice.type"),
    ({"tools": TOOLS, "tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "nope"}}, "tool_choice.name"),
    ({"tool_choice": {"type": "any"}}, "tool_choice"),
    ({"tools": [], "tool_choice": {"type": "tool", "name": "f"}}, "tool_choice"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_bad_tools(anthropic_client: Anthropic, change: dict[str, Any], words: str) -> None:
    assert words in refusal(anthropic_client, **change)
