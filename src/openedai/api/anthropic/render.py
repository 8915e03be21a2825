"""Turns the engine's events into a message, or into the events of its stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from openedai.api.anthropic.wire import (
    PING,
    BlockDelta,
    BlockStart,
    BlockStop,
    ContentBlock,
    DeltaUsage,
    InputDelta,
    MessageDelta,
    MessageObject,
    MessageStart,
    MessageStop,
    SignatureDelta,
    StopDetails,
    StopInfo,
    TextDeltaObject,
    TextObject,
    Thinking,
    ThinkingDelta,
    ToolUse,
    UsageObject,
    frame,
    usage_object,
)
from openedai.api.parameters.ids import new_id
from openedai.bounded_json import read_json
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from openedai.serving.outcome import Indexed, Outcome, Section, fold

BlockKey = str | int
"""The block that an event belongs to: a text, thinking, or the call of that number."""


AnswerEvent = TextDelta | ReasoningDelta | ToolCallDelta


def _usage(first: GenerateEvent) -> Usage:
    """What is known about the usage at the first event."""
    if isinstance(first, Started):
        return Usage(prompt_tokens=first.prompt_tokens, cached_tokens=first.cached_tokens)
    return first.usage if isinstance(first, Finish) else Usage()


def _block_key(event: AnswerEvent) -> BlockKey:
    match event:
        case TextDelta():
            return "text"
        case ReasoningDelta():
            return "thinking"
        case ToolCallDelta(index=index):
            return index


@dataclass(frozen=True)
class MessageRenderer:
    """Renders one answer, whole or as events."""

    id: str
    model: str
    max_tokens: int
    shows_thinking: bool

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> MessageObject:
        (outcome,) = await fold(events, 1)
        blocks = [self._block(section) for section in outcome.sections]
        return self._message(blocks, outcome.finish.usage, self._stop(outcome.finish))

    async def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        blocks = _Blocks(self.shows_thinking)
        started = False
        outcome = Outcome()
        async with aclosing(events):
            async for _, event in events:
                if not started:
                    started = True
                    yield frame(MessageStart(self._message([], _usage(event)))) + PING
                if isinstance(event, Started):
                    continue
                if isinstance(event, Finish):
                    outcome.add(event)
                elif frames := blocks.add(event):
                    yield frames
        finish = outcome.finish
        last = MessageDelta(self._stop(finish), usage_object(finish.usage, DeltaUsage))
        yield blocks.close() + frame(last) + frame(MessageStop())

    def _block(self, section: Section) -> ContentBlock:
        match section.type:
            case "text":
                return TextObject(section.text)
            case "reasoning":
                return Thinking(section.text if self.shows_thinking else "", _signature())
            case "tool_call":
                return ToolUse(new_id("toolu_", 24), section.name, _input(section.text))

    def _message(
        self, content: list[ContentBlock], usage: Usage, stop: StopInfo | None = None
    ) -> MessageObject:
        return MessageObject(
            id=self.id,
            model=self.model,
            content=content,
            stop_reason=None if stop is None else stop.stop_reason,
            stop_sequence=None if stop is None else stop.stop_sequence,
            stop_details=None if stop is None else stop.stop_details,
            usage=usage_object(usage, UsageObject),
        )

    def _stop(self, finish: Finish) -> StopInfo:
        match finish.reason:
            case "tool_calls":
                return StopInfo("tool_use")
            case "length":
                full = 0 < finish.usage.completion_tokens < self.max_tokens
                return StopInfo("model_context_window_exceeded" if full else "max_tokens")
            case "stop" if finish.stop is not None:
                return StopInfo("stop_sequence", finish.stop)
            case "content_filter":
                return StopInfo("refusal", stop_details=StopDetails())
            case "stop":
                return StopInfo("end_turn")


class _Blocks:
    """The frames of a stream's blocks, each of which ends before the next one begins."""

    def __init__(self, shows_thinking: bool) -> None:
        self._shows_thinking = shows_thinking
        self._open: BlockKey | None = None
        self._index = -1

    def add(self, event: AnswerEvent) -> bytes:
        frames = b""
        key = _block_key(event)
        if key != self._open:
            frames = self.close()
            self._open = key
            self._index += 1
            frames += frame(BlockStart(self._index, self._empty(event)))
        if delta := self._delta(event):
            frames += frame(BlockDelta(self._index, delta))
        return frames

    def close(self) -> bytes:
        """The end of the open block, if there is one."""
        if self._open is None:
            return b""
        frames = b""
        if self._open == "thinking":
            frames = frame(BlockDelta(self._index, SignatureDelta(_signature())))
        self._open = None
        return frames + frame(BlockStop(self._index))

    def _empty(self, event: AnswerEvent) -> ContentBlock:
        match event:
            case ToolCallDelta(name=name):
                return ToolUse(new_id("toolu_", 24), name, _input(""))
            case ReasoningDelta():
                return Thinking("", "")
            case _:
                return TextObject("")

    def _delta(self, event: AnswerEvent) -> TextDeltaObject | ThinkingDelta | InputDelta | None:
        match event:
            case TextDelta(text=text):
                return TextDeltaObject(text)
            case ReasoningDelta(text=text) if self._shows_thinking:
                return ThinkingDelta(text)
            case ToolCallDelta(arguments=arguments) if arguments:
                return InputDelta(arguments)
            case _:
                return None


def _signature() -> str:
    """Clients keep thinking only if it has a signature; nothing is signed here."""
    return new_id("sig_")


def _input(arguments: str) -> dict[str, Any]:
    """The arguments as an object. If a limit cut them off, only the complete fields, which is how
    the official client reads the deltas of a stream.
    """
    try:
        value = read_json(arguments or "{}", allow_partial="on")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
