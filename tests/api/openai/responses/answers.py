"""Responses, the same whole and streamed, and the rules that their events follow.

Each object is checked against the types of the official client.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.support import Running, fetch

Event = dict[str, Any]

ENDS = {"response.completed", "response.incomplete", "response.failed"}
# By the type of a delta: the type of the event that ends it, and the field with the whole.
DONE = {
    "response.output_text.delta": ("response.output_text.done", "text"),
    "response.reasoning_text.delta": ("response.reasoning_text.done", "text"),
    "response.reasoning_summary_text.delta": ("response.reasoning_summary_text.done", "text"),
    "response.function_call_arguments.delta": (
        "response.function_call_arguments.done",
        "arguments",
    ),
    "response.custom_tool_call_input.delta": ("response.custom_tool_call_input.done", "input"),
    "response.code_interpreter_call_code.delta": (
        "response.code_interpreter_call_code.done",
        "code",
    ),
    "response.mcp_call_arguments.delta": ("response.mcp_call_arguments.done", "arguments"),
    "response.shell_call_command.delta": ("response.shell_call_command.done", "command"),
}
PARTS = {
    "response.content_part.added": "response.content_part.done",
    "response.reasoning_summary_part.added": "response.reasoning_summary_part.done",
}
# The types of the items of tools that the server runs.
SERVED = {
    "code_interpreter_call",
    "file_search_call",
    "image_generation_call",
    "mcp_call",
    "mcp_list_tools",
    "web_search_call",
}
# The types of items without a status.
WITHOUT_STATUS = {"mcp_approval_request", "mcp_list_tools"}
_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def respond(client: OpenAI, stream: bool, **body: Any) -> Response:
    """A response; of a stream, the one that its last event has."""
    body = {"model": "echo", **body}
    if not stream:
        response: Response = client.responses.create(**body)
        Response.model_validate(response.to_dict())
        return response
    events = [event.to_dict() for event in client.responses.create(**body, stream=True)]
    return Response.model_validate(check_events(events))


def raw_events(server: Running, **body: Any) -> list[Event]:
    """The events of a stream as they are sent."""
    body = {"model": "echo", **body, "stream": True}
    answer = fetch(f"{server.url}/v1/responses", "POST", json=body)
    assert answer.status == 200, answer.body
    return parsed(answer.body)


def parsed(body: bytes) -> list[Event]:
    """The events in the bytes of a stream: each has its type as its name."""
    events = []
    for frame in body.decode().removesuffix("\n\n").split("\n\n"):
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def check_events(events: Sequence[Event]) -> Event:
    """Check the order and the contents of the events of a response; returns the response."""
    for number, event in enumerate(events):
        _EVENTS.validate_python(event)
        assert event["sequence_number"] == number
    types = [event["type"] for event in events]
    assert types[:2] == ["response.created", "response.in_progress"]
    assert types[-1] in ENDS
    assert all(type not in ENDS | set(types[:2]) for type in types[2:-1])
    first, response = events[0]["response"], events[-1]["response"]
    assert (first["status"], first["output"]) == ("in_progress", [])
    assert events[1]["response"] == first
    for name in ("id", "created_at", "model", "tools", "text"):
        assert response[name] == first[name]
    assert f"response.{response['status']}" == types[-1]
    inner = list(events[2:-1])
    if inner and inner[-1]["type"] == "error":
        inner.pop()
        assert response["status"] == "failed"
    assert response["output"] == _items(inner, failed=response["status"] == "failed")
    return dict(response)


def _items(events: Sequence[Event], *, failed: bool) -> list[Event]:
    """The items that the events close. They are opened in order, and only those of tools that the
    server runs are open beside others.
    """
    items: list[Event | None] = []
    current: dict[int, list[Event]] = {}
    for event in events:
        index = event["output_index"]
        if event["type"] == "response.output_item.added":
            assert index == len(items)
            items.append(None)
            current[index] = []
            assert all(_is_served(one[0]["item"]) for one in current.values() if one)
        current[index].append(event)
        if event["type"] == "response.output_item.done":
            _check_item(current.pop(index))
            items[index] = event["item"]
    assert failed or not current
    return [item for item in items if item is not None]


def _check_status(added: Event, done: Event) -> None:
    assert added["status"] == "in_progress"
    ends = ("completed", "incomplete", *(["failed"] if _is_served(done) else []))
    assert done["status"] in ends


def _is_served(item: Event) -> bool:
    return item["type"] in SERVED


def _check_item(events: Sequence[Event]) -> None:
    """The events of one item: parts and texts are opened, grow and are closed with the whole."""
    added, *inner, done = events
    if done["item"]["type"] == "compaction":
        assert [event["type"] for event in inner] == ["response.compaction.compacting"]
        assert (added["item"]["encrypted_content"], added["item"]["id"]) == ("", done["item"]["id"])
        return
    assert added["item"]["id"] == done["item"]["id"]
    if done["item"]["type"] not in WITHOUT_STATUS:
        _check_status(added["item"], done["item"])
    part: str | None = None
    text, delta_type = "", None
    for event in inner:
        assert event.get("item_id", done["item"]["id"]) == done["item"]["id"]
        kind = event["type"]
        if kind in PARTS:
            assert part is None
            part, text = kind, ""
        elif kind in DONE:
            text, delta_type = text + event["delta"], kind
        elif kind in {name for name, _ in DONE.values()}:
            ((expected, field),) = [pair for pair in DONE.values() if pair[0] == kind]
            assert delta_type in (None, *(d for d in DONE if DONE[d][0] == expected))
            assert event[field] == text
            text = text if part else ""
        elif kind in PARTS.values():
            assert part is not None
            assert PARTS[part] == kind
            assert event["part"]["text"] == text
            assert event["part"] in done["item"].get("content", []) + done["item"].get(
                "summary", []
            )
            part = None
    assert part is None


def refusal(client: OpenAI, **body: Any) -> tuple[str | None, str | None]:
    """The code and param of the 400 that this body gets, whole and streamed."""
    body = {"model": "echo", "input": "one two", **body}
    found = set()
    for stream in (False, True):
        with pytest.raises(BadRequestError) as caught:
            client.post("/responses", body={**body, "stream": stream}, cast_to=object)
        assert caught.value.type == "invalid_request_error"
        found.add((caught.value.code, caught.value.param))
    ((code, param),) = found
    return code, param


def without_ids(value: Any) -> Any:
    """A value of JSON without what differs in each response."""
    if isinstance(value, dict):
        differs = {"id", "item_id", "created_at", "completed_at", "call_id", "encrypted_content"}
        return {name: without_ids(one) for name, one in value.items() if name not in differs}
    return [without_ids(one) for one in value] if isinstance(value, list) else value
