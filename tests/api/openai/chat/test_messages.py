"""The messages of a conversation: valid forms, and the errors of others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.api.answers import chat, refusal

USER = {"role": "user", "content": "hi"}
CALL: dict[str, Any] = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"a": 1}'},
}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "content": "18", "tool_call_id": "call_1"}


def engine_messages(client: OpenAI, *messages: Any) -> list[dict[str, Any]]:
    """The messages that the engine gets."""
    answer = chat(client, False, model="reveal", messages=list(messages))
    found: list[dict[str, Any]] = json.loads(answer.only.text)["prompt"]["messages"]
    return found


def text(*texts: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": one} for one in texts]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "system", "content": "a"}, {"role": "system", "content": "a"}),
        ({"role": "developer", "content": text("a")}, {"role": "system", "content": "a"}),
        ({"role": "user", "content": text("b", "c")}, {"role": "user", "content": "bc"}),
        ({"role": "user", "content": "", "name": "ann"}, {"role": "user", "name": "ann"}),
        ({"role": "assistant", "content": "d"}, {"role": "assistant", "content": "d"}),
        (
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            {"role": "assistant", "content": "no"},
        ),
        (
            {"role": "assistant", "content": "d", "reasoning_content": "hm"},
            {"role": "assistant", "content": "d", "reasoning": "hm"},
        ),
        (
            {"role": "assistant", "content": "d", "tool_calls": None, "refusal": None},
            {"role": "assistant", "content": "d"},
        ),
        (
            {"role": "function", "name": "f", "content": "18"},
            {"role": "function", "name": "f", "content": "18"},
        ),
        (
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "assistant", "tool_calls": [{"id": "", "name": "f", "arguments": "{}"}]},
        ),
        (
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "b", "prompt_cache_breakpoint": {"mode": "explicit"}}
                ],
            },
            {"role": "user", "content": "b"},
        ),
        (
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}},
                ],
            },
            {"role": "user", "content": "b"},
        ),
    ],
)
def test_every_role(client: OpenAI, message: dict[str, Any], expected: dict[str, Any]) -> None:
    assert engine_messages(client, message, USER)[0] == expected


@pytest.mark.parametrize("content", [None, "", "Let me see."])
def test_calls_and_their_results(client: OpenAI, content: str | None) -> None:
    second = {**CALL, "id": "call_2"}
    received = engine_messages(
        client,
        USER,
        {"role": "assistant", "content": content, "tool_calls": [CALL, second]},
        {**RESULT, "tool_call_id": "call_2"},
        RESULT,
    )
    result = {} if not content else {"content": content}
    calls = [{"id": f"call_{n}", "name": "f", "arguments": '{"a": 1}'} for n in (1, 2)]
    assert received[1:] == [
        {"role": "assistant", **result, "tool_calls": calls},
        {"role": "tool", "content": "18", "tool_call_id": "call_2"},
        {"role": "tool", "content": "18", "tool_call_id": "call_1"},
    ]


def test_an_answer_with_calls_can_be_sent_back(client: OpenAI) -> None:
    tools: Any = [{"type": "function", "function": {"name": "f"}}]
    requested: Any = [USER]
    answer = client.chat.completions.create(
        model="echo", messages=requested, tools=tools, tool_choice="required"
    )
    message: Any = answer.choices[0].message
    call = message.tool_calls[0]
    received = engine_messages(client, USER, message, {**RESULT, "tool_call_id": call.id})
    assert received[1]["tool_calls"] == [{"id": call.id, "name": "f", "arguments": "{}"}]


def test_fields_that_clients_add_to_an_answer_have_no_effect(client: OpenAI) -> None:
    """As `parse` and `stream` of the official client leave it."""
    function = {**CALL["function"], "parsed_arguments": {"a": 1}}
    calls = {**CALLS, "tool_calls": [{**CALL, "index": 0, "function": function}]}
    result = {"role": "assistant", "content": '{"a": 1}'}
    added = engine_messages(
        client, USER, {**result, "parsed": {"a": 1}}, USER, {**calls, "parsed": None}, RESULT
    )
    assert added == engine_messages(client, USER, result, USER, CALLS, RESULT)


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
FILE = {"type": "file", "file": {"file_data": "AA=="}}

BAD_LISTS: list[tuple[object, str, str]] = [
    ([], "array_below_min_length", "messages"),
    (None, "invalid_type", "messages"),
    ("hi", "invalid_type", "messages"),
    (["hi"], "invalid_type", "messages[0]"),
    ([RESULT], "invalid_value", "messages[0].tool_call_id"),
    ([USER, CALLS, USER, RESULT], "invalid_value", "messages[3].tool_call_id"),
    ([CALLS, {**RESULT, "tool_call_id": "call_2"}], "invalid_value", "messages[1].tool_call_id"),
    (
        [CALLS, {"role": "tool", "content": "18"}],
        "missing_required_parameter",
        "messages[1].tool_call_id",
    ),
]


@pytest.mark.parametrize(("messages", "code", "param"), BAD_LISTS)
def test_bad_conversations(client: OpenAI, messages: object, code: str, param: str) -> None:
    assert refusal(client, messages=messages) == (code, param)


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"content": "x"}, "missing_required_parameter", "role"),
    ({"role": "king", "content": "x"}, "invalid_value", "role"),
    ({"role": "user"}, "missing_required_parameter", "content"),
    ({"role": "user", "content": None}, "missing_required_parameter", "content"),
    ({"role": "assistant", "content": None}, "missing_required_parameter", "content"),
    ({"role": "user", "content": 5}, "invalid_type", "content"),
    ({"role": "user", "content": []}, "array_below_min_length", "content"),
    ({"role": "user", "content": ["x"]}, "invalid_type", "content[0]"),
    ({"role": "user", "content": [{"text": "x"}]}, "missing_required_parameter", "content[0].type"),
    ({"role": "user", "content": [{"type": "poem"}]}, "invalid_value", "content[0].type"),
    ({"role": "user", "content": [IMAGE]}, "unsupported_value", "content[0].type"),
    ({"role": "user", "content": [FILE]}, "unsupported_value", "content[0].file.file_data"),
    (
        {"role": "user", "content": [{"type": "image_url"}]},
        "missing_required_parameter",
        "content[0].image_url",
    ),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": 5}]},
        "invalid_type",
        "content[0].image_url",
    ),
    (
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": 1}}]},
        "invalid_type",
        "content[0].image_url.url",
    ),
    (
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "x", "detail": "fine"}}],
        },
        "invalid_value",
        "content[0].image_url.detail",
    ),
    (
        {"role": "user", "content": [{"type": "text"}]},
        "missing_required_parameter",
        "content[0].text",
    ),
    (
        {"role": "user", "content": [{"type": "text", "text": None}]},
        "invalid_type",
        "content[0].text",
    ),
    ({"role": "user", "content": "x", "mood": 1}, "unknown_parameter", "mood"),
    ({"role": "user", "content": "x", "name": 1}, "invalid_type", "name"),
    ({"role": "user", "content": "x", "tool_calls": [CALL]}, "invalid_value", "tool_calls"),
    (
        {"role": "user", "content": "x", "function_call": CALL["function"]},
        "invalid_value",
        "function_call",
    ),
    ({"role": "function", "content": "18"}, "missing_required_parameter", "name"),
    (
        {**CALLS, "tool_calls": [{"id": "c", "type": "custom"}]},
        "missing_required_parameter",
        "tool_calls[0].custom",
    ),
    (
        {**CALLS, "tool_calls": [{"type": "function"}]},
        "missing_required_parameter",
        "tool_calls[0].id",
    ),
    (
        {**CALLS, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]},
        "invalid_type",
        "tool_calls[0].function.arguments",
    ),
    ({"role": "assistant", "content": "x", "refusal": "no"}, "unsupported_parameter", "refusal"),
    ({"role": "user", "content": "x", "audio": {"id": "a"}}, "invalid_value", "audio"),
]


@pytest.mark.parametrize(("message", "code", "field"), BAD)
def test_bad_messages(client: OpenAI, message: dict[str, Any], code: str, field: str) -> None:
    assert refusal(client, messages=[USER, message]) == (code, f"messages[1].{field}")
