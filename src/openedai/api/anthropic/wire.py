"""Answers as they are on the wire: messages, their blocks, and the events of a stream."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from openedai.contract.generate import Usage
from openedai.http.respond import data_frame


class TextObject(msgspec.Struct, tag="text"):
    text: str
    citations: None = None


class Thinking(msgspec.Struct, tag="thinking"):
    thinking: str
    signature: str


class ToolUse(msgspec.Struct, tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any]


ContentBlock = TextObject | Thinking | ToolUse


class TokenDetails(msgspec.Struct, frozen=True):
    thinking_tokens: int


class UsageObject(msgspec.Struct):
    """`input_tokens` are those that were not in the cache. Only messages have a `service_tier`."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    output_tokens_details: TokenDetails
    cache_creation_input_tokens: int = 0
    service_tier: str | UnsetType = UNSET


def usage_object(usage: Usage, *, service_tier: str | UnsetType = UNSET) -> UsageObject:
    return UsageObject(
        input_tokens=usage.prompt_tokens - usage.cached_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_input_tokens=usage.cached_tokens,
        output_tokens_details=TokenDetails(usage.reasoning_tokens),
        service_tier=service_tier,
    )


class MessageObject(msgspec.Struct, tag="message"):
    id: str
    model: str
    content: list[ContentBlock]
    stop_reason: str | None
    stop_sequence: str | None
    usage: UsageObject
    role: str = "assistant"


class TokenCount(msgspec.Struct):
    input_tokens: int


class TextDeltaObject(msgspec.Struct, tag="text_delta"):
    text: str


class ThinkingDelta(msgspec.Struct, tag="thinking_delta"):
    thinking: str


class SignatureDelta(msgspec.Struct, tag="signature_delta"):
    signature: str


class InputDelta(msgspec.Struct, tag="input_json_delta"):
    partial_json: str


class StopInfo(msgspec.Struct):
    stop_reason: str
    stop_sequence: str | None = None


class StreamEvent(msgspec.Struct):
    """An event of a stream; its tag is also its name there."""


class MessageStart(StreamEvent, tag="message_start"):
    message: MessageObject


class BlockStart(StreamEvent, tag="content_block_start"):
    index: int
    content_block: ContentBlock


class BlockDelta(StreamEvent, tag="content_block_delta"):
    index: int
    delta: TextDeltaObject | ThinkingDelta | SignatureDelta | InputDelta


class BlockStop(StreamEvent, tag="content_block_stop"):
    index: int


class MessageDelta(StreamEvent, tag="message_delta"):
    delta: StopInfo
    usage: UsageObject


class MessageStop(StreamEvent, tag="message_stop"):
    pass


def frame(event: StreamEvent) -> bytes:
    """One server-sent event, under its name."""
    name = str(event.__struct_config__.tag).encode()
    return b"event: " + name + b"\n" + data_frame(event)


PING = b'event: ping\ndata: {"type":"ping"}\n\n'
