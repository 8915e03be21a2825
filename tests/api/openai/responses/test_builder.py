"""The events of a response, for any events of a generation."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.api.openai.responses.input.tools import ApplyPatch, CustomTool, FunctionTool, Shell
from openedai.api.openai.responses.output.builder import ResponseBuilder
from openedai.api.openai.responses.output.objects import Response
from openedai.api.openai.responses.output.place import Options
from openedai.api.openai.responses.tools import callable_tools
from openedai.api.parameters.chats.custom_inputs import InputReader
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from openedai.errors import EngineFailed
from openedai.serving.outcome import Outcome
from tests.api.openai.responses.answers import check_events

TOOLS = callable_tools(
    [
        FunctionTool(type="function", name="f"),
        CustomTool(type="custom", name="c"),
        Shell(type="shell"),
        ApplyPatch(type="apply_patch"),
    ],
    (),
    strict=True,
)
USAGE = Usage(prompt_tokens=3, completion_tokens=2, cached_tokens=1)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


def builder(options: Options) -> ResponseBuilder:
    response = Response(
        id="resp_1",
        created_at=1,
        status="queued",
        model="m",
        reasoning={},
        store=False,
        temperature=1.0,
        text={"format": {"type": "text"}},
        tool_choice="auto",
        tools=[],
        top_logprobs=0,
        top_p=1.0,
        truncation="disabled",
        metadata={},
    )
    return ResponseBuilder(response, TOOLS, options)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, str]:
    """A name, and arguments that are its tool's."""
    name = draw(st.sampled_from(["f", "c", "shell", "apply_patch", "unknown"]))
    text = draw(texts)
    arguments: Any = {
        "c": {"input": text},
        "shell": {"commands": [text, "b"]},
        "apply_patch": {"type": "create_file", "path": "a", "diff": text},
    }.get(name, {"x": text})
    return name, json.dumps(arguments, ensure_ascii=draw(st.booleans()))


def cut(draw: st.DrawFn, text: str) -> list[str]:
    """The text in pieces."""
    pieces = []
    while text:
        size = draw(st.integers(1, 7))
        pieces.append(text[:size])
        text = text[size:]
    return pieces or [""]


@st.composite
def generations(draw: st.DrawFn) -> list[GenerateEvent]:
    events: list[GenerateEvent] = []
    index = 0
    for kind in draw(st.lists(st.sampled_from(["text", "reasoning", "call"]), max_size=5)):
        if kind == "call":
            name, arguments = draw(calls())
            for number, piece in enumerate(cut(draw, arguments)):
                start = {"id": f"call_{index}", "name": name} if number == 0 else {}
                events.append(ToolCallDelta(index=index, arguments=piece, **start))
            index += 1
        else:
            delta = TextDelta if kind == "text" else ReasoningDelta
            events += [delta(text=text) for text in draw(st.lists(texts, min_size=1, max_size=4))]
    return events


@given(
    generations(),
    st.sampled_from(["stop", "tool_calls", "length", "content_filter"]),
    st.builds(Options, st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)
def test_any_generation(generation: list[GenerateEvent], reason: Any, options: Options) -> None:
    made = builder(options)
    events = [*made.start()]
    for one in generation:
        events += made.add(one)
    events += made.end(Finish(reason=reason, usage=USAGE))
    shown = json.loads(msgspec.json.encode(events))
    response = check_events(shown)
    assert response == json.loads(msgspec.json.encode(made.response))
    complete = reason in ("stop", "tool_calls")
    assert response["status"] == ("completed" if complete else "incomplete")
    outcome = Outcome.of(generation)
    output = response["output"]
    said = [
        part["text"] for item in output if item["type"] == "message" for part in item["content"]
    ]
    assert "".join(said) == outcome.text
    parts = [
        item.get("content") or item["summary"] for item in output if item["type"] == "reasoning"
    ]
    assert "".join(part["text"] for one in parts for part in one) == outcome.reasoning
    called = [item["call_id"] for item in output if "call_id" in item]
    expected = [call.id for call in outcome.tool_calls]
    assert called == expected or (not complete and called == expected[:-1])


@given(generations(), st.integers(0, 20))
def test_a_failure_at_any_time(generation: list[GenerateEvent], after: int) -> None:
    made = builder(Options())
    events = [*made.start()]
    for one in generation[:after]:
        events += made.add(one)
    events += made.fail(EngineFailed("It broke."))
    response = check_events(json.loads(msgspec.json.encode(events)))
    assert response["error"] == {"code": "server_error", "message": "It broke."}


def test_arguments_that_are_not_the_tools() -> None:
    made = builder(Options())
    made.start()
    made.add(ToolCallDelta(index=0, id="c", name="shell", arguments='{"command": 1}'))
    with pytest.raises(EngineFailed, match="shell"):
        made.end(Finish(reason="tool_calls", usage=USAGE))


@given(st.data(), st.text(max_size=30), st.booleans())
def test_the_input_of_a_custom_tool(data: st.DataObject, text: str, ascii_only: bool) -> None:
    text = text.encode("utf-8", "replace").decode()
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    reader = InputReader()
    deltas = [reader.feed(piece) for piece in data.draw(st.composite(cut)(arguments))]
    deltas.append(reader.end())
    assert "".join(deltas) == reader.text == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", ""),
        ("{}", ""),
        ("plain", "plain"),
        ('{"x": 1, "input": "a"}', "a"),
        ('{"input": "a', "a"),
    ],
)
def test_other_arguments_of_a_custom_tool(arguments: str, text: str) -> None:
    reader = InputReader()
    assert reader.feed(arguments) + reader.end() == reader.text == text
