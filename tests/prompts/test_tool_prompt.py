"""Conversations with tools, rendered as text."""

from __future__ import annotations

import json
import re

from openedai.contract.chat import Message, Tool, ToolCall
from openedai.prompts.tool_prompt import render_tools_as_text
from tests.prompts.reading.answers import read

WEATHER = Tool(
    name="get_weather",
    description='Weather, "now"',
    parameters={"type": "object", "properties": {"city": {"type": "string"}}},
)
TIME = Tool(name="get_time")
USER = Message(role="user", content="Hi")


def rendered(
    *messages: Message, required: bool = False, parallel: bool = True
) -> tuple[Message, ...]:
    return render_tools_as_text(messages, (WEATHER, TIME), required=required, parallel=parallel)


def test_a_system_message_describes_the_tools() -> None:
    system, user = rendered(USER)
    assert (system.role, user) == ("system", USER)
    found = re.search(r"<tools>\n(.*)\n</tools>", system.content, re.DOTALL)
    assert found is not None
    assert [json.loads(line) for line in found[1].splitlines()] == [
        {
            "name": "get_weather",
            "description": 'Weather, "now"',
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
        {"name": "get_time", "parameters": {"type": "object", "properties": {}}},
    ]


def test_a_system_message_is_extended() -> None:
    for role in ("system", "developer"):
        first, *rest = rendered(Message(role=role, content="Be brief."), USER)
        assert first.role == role
        assert first.content.startswith("Be brief.\n\nYou have these functions")
        assert rest == [USER]


def test_the_instruction_says_which_calls_are_allowed() -> None:
    free, single = rendered(USER)[0].content, rendered(USER, parallel=False)[0].content
    required = rendered(USER, required=True)[0].content
    assert "several functions" in free
    assert "one function only" in single
    assert "must call" in required
    assert "must call" not in free


def test_the_example_is_read_as_a_call() -> None:
    system = rendered(USER)[0].content
    example = system[system.index("<tool_call>") :]
    _, calls, complete = read([Tool(name="NAME")], [example])
    assert complete
    assert [name for name, _ in calls] == ["NAME"]


def test_calls_and_results_become_text() -> None:
    calls = (
        ToolCall(id="1", name="get_weather", arguments='{"city":"Paris"}'),
        ToolCall(id="2", name="get_time", arguments=""),
    )
    _, _, with_calls, results, answer = rendered(
        USER,
        Message(role="assistant", content="Let me see.", tool_calls=calls),
        Message(role="tool", content="18 °C", tool_call_id="1"),
        Message(role="function", content="noon", name="get_time"),
        Message(role="assistant", content="18 °C at noon."),
    )
    expected = [("get_weather", '{"city":"Paris"}'), ("get_time", "{}")]
    assert read((WEATHER, TIME), [with_calls.content]) == ("Let me see.", expected, True)
    assert with_calls.tool_calls == ()
    assert results == Message(
        role="user",
        content="<tool_response>\n18 °C\n</tool_response>\n<tool_response>\nnoon\n</tool_response>",
    )
    assert answer == Message(role="assistant", content="18 °C at noon.")


def test_a_call_without_text() -> None:
    calls = (ToolCall(id="1", name="get_time", arguments="{}"),)
    message = rendered(USER, Message(role="assistant", tool_calls=calls))[-1]
    assert message.content == '<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool_call>'


def test_without_tools_there_is_no_instruction() -> None:
    result = Message(role="tool", content="r", tool_call_id="1")
    assert render_tools_as_text([USER, result], (), required=False, parallel=True) == (
        USER,
        Message(role="user", content="<tool_response>\nr\n</tool_response>"),
    )
