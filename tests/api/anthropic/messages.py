"""Anthropic's messages through its official client, the same whole and streamed.

Each answer and each event of a stream is checked against the client's own types, strictly, and
the order of the events against the rules of streams.
"""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import Anthropic, BadRequestError
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def _body(body: dict[str, Any]) -> dict[str, Any]:
    body = {"model": "echo", "max_tokens": 100, **body}
    if isinstance(body["messages"], str):
        body["messages"] = [{"role": "user", "content": body["messages"]}]
    return body


def create_message(client: Anthropic, stream: bool, **body: Any) -> Message:
    """A message. A text as `messages` is one message of the user."""
    body = _body(body)
    if stream:
        check_events(client, body)
        with client.messages.stream(**body) as events:
            answer: Message = events.get_final_message()
    else:
        answer = client.messages.create(**body)
    Message.model_validate(answer.to_dict(), strict=True)
    assert answer.id.startswith("msg_")
    return answer


def check_events(client: Anthropic, body: dict[str, Any]) -> None:
    """The rules: one block after another, each with deltas of its own type only."""
    delta_types = {"text": {"text_delta"}, "thinking": {"thinking_delta", "signature_delta"}}
    events = [event.to_dict() for event in client.messages.create(**body, stream=True)]
    for event in events:
        _EVENT.validate_python(event, strict=True)
    names = [event["type"] for event in events]
    assert names[0] == "message_start"
    assert names[-2:] == ["message_delta", "message_stop"]
    start, end = events[0]["message"]["usage"], events[-2]["usage"]
    for name in ("input_tokens", "cache_read_input_tokens"):
        assert start[name] == end[name]
    block_type, index = "", -1
    for event in events[1:-2]:
        match event["type"]:
            case "content_block_start":
                assert (block_type, event["index"]) == ("", index + 1)
                block_type, index = event["content_block"]["type"], index + 1
            case "content_block_delta":
                assert event["index"] == index
                assert event["delta"]["type"] in delta_types.get(block_type, {"input_json_delta"})
            case "content_block_stop":
                assert block_type
                assert event["index"] == index
                block_type = ""
            case other:
                raise AssertionError(other)
    assert not block_type


def block_contents(answer: Message) -> list[tuple[Any, ...]]:
    """The type and content of each block of an answer, without ids and signatures."""
    result: list[tuple[Any, ...]] = []
    for block in answer.content:
        match block.type:
            case "text":
                result.append(("text", block.text))
            case "thinking":
                assert block.signature
                result.append(("thinking", block.thinking))
            case "tool_use":
                assert block.id.startswith("toolu_")
                assert block.caller is not None
                assert block.caller.type == "direct"
                result.append(("tool_use", block.name, block.input))
            case other:
                raise AssertionError(other)
    return result


def refusal(client: Anthropic, path: str = "/v1/messages", **body: Any) -> str:
    """The message of the 400 that this body gets, whole or streamed."""
    body = _body({"messages": "one two", **body})
    if path.endswith("count_tokens"):
        del body["max_tokens"]
    messages = set()
    for stream in ({}, {"stream": True}) if path == "/v1/messages" else ({},):
        with pytest.raises(BadRequestError) as caught:
            client.post(path, body={**body, **stream}, cast_to=object)
        assert caught.value.type == "invalid_request_error"
        assert caught.value.request_id
        messages.add(str(caught.value.api_message))
    (message,) = messages
    return message
