"""Tool calls in the shapes that upstreams have for them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from openedai.contract.chat import Chat
from openedai.contract.generate import GenerateEvent, ToolCallDelta
from openedai.engines.upstream.answers.problems import MalformedAnswer
from openedai.errors import Unsupported
from tests.engines.upstream.answers.streams import CHAT, ONE_CALL, STOP, delta, events, finish


def call(index: int | None = None, **fields: Any) -> dict[str, Any]:
    numbered = {} if index is None else {"index": index}
    function = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    return delta(tool_calls=[{**numbered, **fields, "function": function}])


TWO = [
    ToolCallDelta(index=0, id="a", name="f", arguments='{"x": '),
    ToolCallDelta(index=0, arguments="1}"),
    ToolCallDelta(index=1, id="b", name="g", arguments="{}"),
    finish("tool_calls"),
]

CALLS: dict[str, list[dict[str, Any]]] = {
    "as the official API": [
        call(0, id="a", type="function", name="f", arguments='{"x": '),
        call(0, arguments="1}"),
        call(1, id="b", name="g", arguments=""),
        {"finish_reason": "tool_calls"},
    ],
    "with the id and name in each chunk": [
        call(0, id="a", name="f", arguments='{"x": '),
        call(0, id="a", name="f", arguments="1}"),
        call(1, id="b", name="g", arguments="{}"),
        {"finish_reason": "tool_calls"},
    ],
    "all under one index": [
        call(0, id="a", name="f", arguments='{"x": '),
        call(0, arguments="1}"),
        call(0, id="b", name="g", arguments="{}"),
        STOP,
    ],
    "all under one index without ids": [
        call(0, name="f", arguments='{"x": '),
        call(0, arguments="1}"),
        call(0, name="g", arguments="{}"),
        STOP,
    ],
    "all under one index and id": [
        call(0, id="a", name="f", arguments='{"x": '),
        call(0, id="a", arguments="1}"),
        call(0, id="a", name="g", arguments="{}"),
        STOP,
    ],
    "all with one id": [
        call(0, id="a", name="f", arguments='{"x": '),
        call(0, id="a", arguments="1}"),
        call(1, id="a", name="g", arguments="{}"),
        STOP,
    ],
    "the name after the id": [
        call(0, id="a"),
        call(0, name="f", arguments='{"x": '),
        call(0, arguments="1}"),
        call(1, id="b"),
        call(1, name="g", arguments="{}"),
        STOP,
    ],
    "in turns": [
        call(0, id="a", name="f", arguments=""),
        call(0, id="a", arguments='{"x": '),
        call(0, id="a", arguments="1}"),
        call(0, id="b", name="g", arguments=""),
        call(0, id="a", arguments=""),
        call(0, id="b", arguments="{}"),
        STOP,
    ],
    "repeated at the end": [
        call(0, id="a", name="f", arguments='{"x": '),
        call(0, id="a", arguments="1}"),
        call(0, id="a", name="f", arguments='{"x": 1}'),
        call(1, id="b", name="g", arguments="{}"),
        call(1, id="b", name="g", arguments=""),
        STOP,
    ],
    "without a function": [
        delta(tool_calls=[{"index": 0, "id": "a", "name": "f", "arguments": '{"x": '}]),
        delta(tool_calls=[{"index": 0, "arguments": "1}"}]),
        delta(tool_calls=[{"index": 1, "id": "b", "name": "g", "arguments": {}}]),
        STOP,
    ],
    "of a message": [
        {
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "a", "function": {"name": "f", "arguments": '{"x": '}},
                    {"id": "a", "function": {"arguments": "1}"}},
                    {"id": "b", "function": {"name": "g", "arguments": {}}},
                ],
            }
        },
        {"finish_reason": "tool_use"},
    ],
    "without an index": [
        call(id="a", name="f", arguments='{"x": '),
        call(arguments="1}"),
        call(id="b", name="g", arguments="{}"),
        STOP,
    ],
}


def joined(found: list[GenerateEvent]) -> list[GenerateEvent]:
    """The events, with the arguments of a call moved into its first event if that had none."""
    merged: list[GenerateEvent] = []
    for event in found:
        match event, merged[-1] if merged else None:
            case ToolCallDelta(id="") as more, ToolCallDelta(arguments="") as first:
                assert more.index == first.index
                merged[-1] = msgspec.structs.replace(first, arguments=more.arguments)
            case _:
                merged.append(event)
    return merged


def with_ids(found: list[GenerateEvent], ids: str = "ab") -> list[GenerateEvent]:
    """The events with the ids `a` and `b` for those that were made up."""
    return [
        msgspec.structs.replace(event, id=ids[event.index])
        if isinstance(event, ToolCallDelta) and event.id.startswith("call_")
        else event
        for event in found
    ]


@pytest.mark.parametrize("form", CALLS)
def test_calls(form: str) -> None:
    found = events(*CALLS[form])
    ids = [event.id for event in found if isinstance(event, ToolCallDelta) and event.id]
    assert len(ids) == len({*ids}) == 2
    assert joined(with_ids(found)) == TWO


@pytest.mark.parametrize("form", CALLS)
def test_where_one_call_is_allowed_others_are_left_out(form: str) -> None:
    found = joined(with_ids(events(*CALLS[form], prompt=ONE_CALL)))
    assert found == [*TWO[:2], TWO[-1]]


def test_calls_of_one_function_under_one_index() -> None:
    found = events(
        call(0, name="f", arguments='{"x": 1}'), call(0, name="f", arguments='{"x": 1}'), STOP
    )
    assert [event.index for event in found if isinstance(event, ToolCallDelta)] == [0, 1]


def test_the_older_call_of_a_function() -> None:
    parts = ({"name": "f", "arguments": '{"x": '}, {"arguments": "1}"})
    found = events(*(delta(function_call=part) for part in parts), {"finish_reason": "stop"})
    assert joined(with_ids(found)) == [*TWO[:2], TWO[-1]]


def test_where_calls_are_required_there_is_no_text() -> None:
    required = Chat(messages=CHAT.messages, call_required=True)
    found = events(delta(content="Well, "), *CALLS["as the official API"], prompt=required)
    assert joined(found) == TWO
    with pytest.raises(Unsupported) as caught:
        events(delta(content="Well, "), STOP, prompt=required)
    assert caught.value.param == "tool_choice"


def test_a_call_without_an_id_gets_one() -> None:
    first, end = events(call(0, name="f", arguments={"x": 1}), STOP)
    assert isinstance(first, ToolCallDelta)
    assert first.id.startswith("call_")
    assert json.loads(first.arguments) == {"x": 1}
    assert end == finish("tool_calls")


def test_a_call_that_was_cut_stays_cut() -> None:
    found = events(call(0, id="a", name="f", arguments=""), {"finish_reason": "length"})
    assert found == [ToolCallDelta(index=0, id="a", name="f"), finish("length")]


def test_a_call_without_a_name_is_malformed() -> None:
    for choices in ([call(0, id="a", arguments="{}")], [call(0, id="a"), STOP]):
        with pytest.raises(MalformedAnswer):
            events(*choices)
