"""Answers as they are on the wire: messages, their blocks, and the events of a stream."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from openedai.contract.generate import Usage
from openedai.http.respond import data_frame


class TextObject(msgspec.Struct, tag="text"):
    text: str
    citations: None = None


class Thinking(msgspec.Struct, tag="thinking"):
    thinking: str
    signature: str


class Caller(msgspec.Struct, frozen=True, tag="direct"):
    """The model itself called the tool: nothing here runs code that calls tools."""


class ToolUse(msgspec.Struct, tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any]
    caller: Caller = Caller()


ContentBlock = TextObject | Thinking | ToolUse


class TokenDetails(msgspec.Struct, frozen=True):
    thinking_tokens: int


class CacheCreation(msgspec.Struct, frozen=True):
    """What is kept for some time, for a price: nothing here."""

    ephemeral_1h_input_tokens: int = 0
    ephemeral_5m_input_tokens: int = 0


class DeltaUsage(msgspec.Struct):
    """`input_tokens` are those that were not in the cache."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    output_tokens_details: TokenDetails
    cache_creation_input_tokens: int = 0
    server_tool_use: None = None


class UsageObject(DeltaUsage, kw_only=True):
    """That of a message."""

    cache_creation: CacheCreation = CacheCreation()
    inference_geo: str | None = None
    service_tier: str = "standard"


U = TypeVar("U", bound=DeltaUsage)


def usage_object(usage: Usage, type: type[U]) -> U:
    return type(
        input_tokens=usage.prompt_tokens - usage.cached_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_input_tokens=usage.cached_tokens,
        output_tokens_details=TokenDetails(usage.reasoning_tokens),
    )


class StopDetails(msgspec.Struct, tag="refusal"):
    """Of a refusal, whose reason is not known."""

    category: None = None
    explanation: None = None


class MessageObject(msgspec.Struct, tag="message"):
    id: str
    model: str
    content: list[ContentBlock]
    stop_reason: str | None
    stop_sequence: str | None
    usage: UsageObject
    stop_details: StopDetails | None = None
    container: None = None
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
    stop_details: StopDetails | None = None
    container: None = None


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
    usage: DeltaUsage


class MessageStop(StreamEvent, tag="message_stop"):
    pass


def frame(event: StreamEvent) -> bytes:
    """One server-sent event, under its name."""
    name = str(event.__struct_config__.tag).encode()
    return b"event: " + name + b"\n" + data_frame(event)


PING = b'event: ping\ndata: {"type":"ping"}\n\n'
