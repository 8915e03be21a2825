"""The lines of training files: what they mean, and what is wrong with them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from openedai.contract.chat import Message, Tool, ToolCall
from openedai.training.lines import Completion, Conversation, Method, Preference, read_line

USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "12:00"}
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}


def read(fields: Any, method: Method = "supervised") -> Any:
    return read_line(json.dumps(fields).encode(), method)


def test_a_conversation() -> None:
    found = read({"messages": [{"role": "developer", "content": "Be brief"}, USER, ANSWER]})
    assert isinstance(found, Conversation)
    assert found.chat.messages[0] == Message(role="system", content="Be brief")
    assert found.learned == (2,)


def test_answers_without_weight_are_not_learned() -> None:
    messages = [USER, {**ANSWER, "weight": 0}, USER, {**ANSWER, "weight": 1}, USER, ANSWER]
    assert read({"messages": messages}).learned == (3, 5)


def test_tools() -> None:
    fields = {"messages": [USER, CALLING, RESULT, ANSWER], "tools": [TOOL]}
    found = read({**fields, "parallel_tool_calls": False})
    assert found.chat.tools == (Tool(name="now", parameters={"type": "object"}),)
    assert not found.chat.parallel_calls
    assert found.chat.messages[1].tool_calls == (ToolCall(id="c1", name="now", arguments="{}"),)
    assert found.learned == (1, 3)


def test_functions() -> None:
    calling = {"role": "assistant", "function_call": {"name": "now", "arguments": "{}"}}
    result = {"role": "function", "name": "now", "content": "12:00"}
    messages = [USER, calling, result, ANSWER]
    found = read({"messages": messages, "functions": [{"name": "now"}]})
    assert found.chat.tools == (Tool(name="now"),)
    assert found.chat.messages[1].tool_calls[0].name == "now"


def test_texts_in_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read({"messages": [{**USER, "content": parts}, ANSWER]}).chat.messages[0].content == "ab"


def test_a_completion() -> None:
    assert read({"prompt": "a", "completion": " b"}) == Completion("a", " b")


def test_a_preference() -> None:
    line = {
        "input": {"messages": [USER], "tools": [TOOL]},
        "preferred_output": [ANSWER],
        "non_preferred_output": [{**ANSWER, "content": "What?"}],
    }
    found = read(line, "dpo")
    assert isinstance(found, Preference)
    assert (found.preferred.content, found.rejected.content) == ("Hello", "What?")
    assert found.chat.messages == (Message(role="user", content="Hi"),)


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
WRONG: list[tuple[Any, str]] = [
    ([], "not a JSON object"),
    ({}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": [USER]}, "not from the assistant"),
    ({"messages": [ANSWER, USER, ANSWER]}, "nothing to answer"),
    ({"messages": [USER, {**ANSWER, "weight": 0}]}, "`weight` of 0"),
    ({"messages": [USER, {**ANSWER, "weight": 2}]}, "messages[1].weight"),
    ({"messages": [{**USER, "weight": 1}, ANSWER]}, "`messages[0]` has a `weight`"),
    ({"messages": [{**USER, "tool_calls": [CALL]}, ANSWER]}, "`messages[0]` has a `tool_calls`"),
    ({"messages": [{"role": "user"}, ANSWER]}, "`messages[0]` has no `content`"),
    ({"messages": [USER, {"role": "assistant"}]}, "neither `content` nor `tool_calls`"),
    ({"messages": [USER, {**ANSWER, "colour": 1}]}, "colour"),
    ({"messages": [{**USER, "role": "robot"}, ANSWER]}, "messages[0].role"),
    ({"messages": [{**USER, "content": [IMAGE]}, ANSWER]}, "messages[0].content"),
    ({"messages": [USER, RESULT, ANSWER]}, "`messages[1].tool_call_id`"),
    ({"messages": [USER, ANSWER], "model": "x"}, "model"),
    ({"prompt": "a"}, "completion"),
    ({"prompt": "a", "completion": ""}, "completion"),
]


@pytest.mark.parametrize(("fields", "problem"), WRONG)
def test_what_is_wrong(fields: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        read(fields)


@pytest.mark.parametrize("arguments", ["", "[]", "{", "now"])
def test_arguments_that_are_no_object(arguments: str) -> None:
    call = {**CALL, "function": {"name": "now", "arguments": arguments}}
    with pytest.raises(ValueError, match=r"messages\[1\].*not a JSON object"):
        read({"messages": [USER, {**CALLING, "tool_calls": [call]}]})


def test_preferences_that_are_not_valid() -> None:
    line = {
        "input": {"messages": [USER]},
        "preferred_output": [ANSWER],
        "non_preferred_output": [ANSWER],
    }
    for changes, problem in (
        ({}, "are the same"),
        ({"preferred_output": [USER]}, "not a message from the assistant"),
        ({"preferred_output": []}, "preferred_output"),
        ({"input": {"messages": [USER, ANSWER]}}, "is from the assistant"),
        ({"input": {"messages": []}}, "messages"),
    ):
        with pytest.raises(ValueError, match=problem):
            read({**line, **changes}, "dpo")
    with pytest.raises(ValueError, match="input"):
        read({"messages": [USER, ANSWER]}, "dpo")


def test_what_is_not_json() -> None:
    for line in (b"{", b"\xff", b'{"a": NaN}'):
        with pytest.raises(ValueError, match="not valid JSON"):
            read_line(line, "supervised")
