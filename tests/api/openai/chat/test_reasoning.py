"""Reasoning, told apart from the answer. The echo engine says the raw text that it was told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.api.answers import chat, refusal

both_ways = pytest.mark.parametrize("stream", [False, True])


@both_ways
@pytest.mark.parametrize(
    ("raw", "reasoning", "text", "tokens"),
    [
        ("<think>\nHm, well.\n</think>\n\nHello you.", "Hm, well.", "Hello you.", 4),
        ("<think> </think> Hello", " ", " Hello", 2),
        ("[THINK]Hm.[/THINK] Hello.", "Hm.", " Hello.", 1),
        ("Hello <think> no </think>", "", "Hello <think> no </think>", 0),
    ],
)
def test_reasoning_is_apart(
    client: OpenAI, raw: str, reasoning: str, text: str, tokens: int, stream: bool
) -> None:
    answer = chat(client, stream, messages=raw)
    result = answer.only
    assert (result.reasoning, result.text, result.reason) == (reasoning, text, "stop")
    assert answer.reasoning_tokens == tokens


@both_ways
def test_reasoning_that_never_ends(client: OpenAI, stream: bool) -> None:
    answer = chat(client, stream, messages="<think> a b c d", max_tokens=3)
    assert (answer.only.reasoning, answer.only.text, answer.only.reason) == (" a b", "", "length")
    assert answer.usage.completion_tokens == answer.reasoning_tokens == 3


@both_ways
def test_a_call_after_reasoning(client: OpenAI, stream: bool) -> None:
    raw = '<think>\nI call.\n</think>\n{"name": "f", "arguments": {}}'
    tools = [{"type": "function", "function": {"name": "f"}}]
    result = chat(client, stream, messages=raw, tools=tools).only
    assert (result.reasoning, result.text, result.calls) == ("I call.", "", [("f", "{}")])
    assert result.reason == "tool_calls"


def test_a_call_in_reasoning_is_none(client: OpenAI) -> None:
    raw = '<think>{"name": "f", "arguments": {}}</think>No.'
    tools = [{"type": "function", "function": {"name": "f"}}]
    result = chat(client, False, messages=raw, tools=tools).only
    assert (result.text, result.calls, result.reason) == ("No.", [], "stop")


@both_ways
def test_reasoning_tokens_of_all_choices_add_up(client: OpenAI, stream: bool) -> None:
    answer = chat(client, stream, messages="<think> a </think> b", n=2)
    assert [(one.reasoning, one.text) for one in answer.choices] == [(" a ", " b")] * 2
    assert (
        answer.reasoning_tokens
        == 2 * chat(client, stream, messages="<think> a </think> b").reasoning_tokens
    )


@both_ways
def test_line_feeds_before_an_answer_are_left_out(client: OpenAI, stream: bool) -> None:
    assert chat(client, stream, messages="\n\nHello\n").only.text == "Hello\n"


def test_what_the_template_is_told_reaches_the_engine(client: OpenAI) -> None:
    body = {"chat_template_kwargs": {"enable_thinking": False}}
    result = chat(client, False, model="reveal", messages="hi", extra_body=body).only
    assert json.loads(result.text)["prompt"]["template_arguments"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"reasoning_effort": "huge"}, "invalid_value", "reasoning_effort"),
        ({"chat_template_kwargs": "x"}, "invalid_type", "chat_template_kwargs"),
    ],
)
def test_bad_values(client: OpenAI, body: dict[str, Any], code: str, param: str) -> None:
    assert refusal(client, **body) == (code, param)
