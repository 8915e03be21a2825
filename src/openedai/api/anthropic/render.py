"""Events of the engine to a message, or to the events of its stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from openedai.api.anthropic.names import renamed
from openedai.api.anthropic.wire import (
    PING,
    BlockDelta,
    BlockStart,
    BlockStop,
    ContentBlock,
    InputDelta,
    MessageDelta,
    MessageObject,
    MessageStart,
    MessageStop,
    SignaturePiece,
    StopInfo,
    Text,
    TextPiece,
    Thinking,
    ThinkingPiece,
    ToolUse,
    frame,
    usage_object,
)
from openedai.api.parameters.ids import new_id
from openedai.contract.generate import (
    Finish,
    GenerateEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from openedai.errors import EngineFailed
from openedai.serving.generation import Indexed

Kind = str | int
"""What block an event belongs to: a text, thinking, or the call of that number."""


def _kind(event: GenerateEvent) -> Kind:
    match event:
        case TextDelta():
            return "text"
        case ReasoningDelta():
            return "thinking"
        case ToolCallDelta(index=index):
            return index
        case Finish():
            return "end"


@dataclass(frozen=True)
class MessageRenderer:
    """What all events of one answer share."""

    id: str
    model: str
    max_tokens: int
    shows_thinking: bool

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> MessageObject:
        content: list[_Section] = []
        finish: Finish | None = None
        with renamed():
            async with aclosing(events):
                async for _, event in events:
                    if isinstance(event, Finish):
                        finish = event
                    else:
                        self._fold(content, event)
        end = _certain(finish)
        blocks = [section.block() for section in content]
        return self._message(blocks, end.usage, self._stop(end))

    async def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        blocks = _Blocks(self.shows_thinking)
        begun = False
        finish: Finish | None = None
        with renamed():
            async with aclosing(events):
                async for _, event in events:
                    if not begun:
                        begun = True
                        yield frame(MessageStart(self._message([], Usage()))) + PING
                    if isinstance(event, Finish):
                        finish = event
                    elif said := blocks.add(event):
                        yield said
        end = _certain(finish)
        last = MessageDelta(self._stop(end), usage_object(end.usage))
        yield blocks.close() + frame(last) + frame(MessageStop())

    def _message(
        self, content: list[ContentBlock], usage: Usage, stop: StopInfo | None = None
    ) -> MessageObject:
        return MessageObject(
            id=self.id,
            model=self.model,
            content=content,
            stop_reason=None if stop is None else stop.stop_reason,
            stop_sequence=None if stop is None else stop.stop_sequence,
            usage=usage_object(usage, service_tier="standard"),
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
                return StopInfo("refusal")
            case "stop":
                return StopInfo("end_turn")

    def _fold(self, content: list[_Section], event: GenerateEvent) -> None:
        kind = _kind(event)
        if not content or content[-1].kind != kind:
            name = event.name if isinstance(event, ToolCallDelta) else ""
            content.append(_Section(kind, name))
        if kind != "thinking" or self.shows_thinking:
            content[-1].pieces.append(_text(event))


def _certain(finish: Finish | None) -> Finish:
    if finish is None:
        raise EngineFailed("The engine ended its answer without saying why.")
    return finish


def _text(event: GenerateEvent) -> str:
    match event:
        case TextDelta(text=text) | ReasoningDelta(text=text):
            return text
        case ToolCallDelta(arguments=arguments):
            return arguments
        case Finish():
            return ""


@dataclass
class _Section:
    """A block of a whole answer while it is said."""

    kind: Kind
    name: str
    pieces: list[str] = field(default_factory=list)

    def block(self) -> ContentBlock:
        said = "".join(self.pieces)
        match self.kind:
            case "text":
                return Text(said)
            case "thinking":
                return Thinking(said, _signature())
            case _:
                return ToolUse(new_id("toolu_", 24), self.name, _input(said))


class _Blocks:
    """The frames of the blocks of a stream, each of which ends before the next one begins."""

    def __init__(self, shows_thinking: bool) -> None:
        self._shows_thinking = shows_thinking
        self._kind: Kind | None = None
        self._index = -1

    def add(self, event: GenerateEvent) -> bytes:
        said = b""
        kind = _kind(event)
        if kind != self._kind:
            said = self.close()
            self._kind = kind
            self._index += 1
            said += frame(BlockStart(self._index, self._empty(event)))
        if piece := self._piece(event):
            said += frame(BlockDelta(self._index, piece))
        return said

    def close(self) -> bytes:
        """The end of the open block, if there is one."""
        if self._kind is None:
            return b""
        said = b""
        if self._kind == "thinking":
            said = frame(BlockDelta(self._index, SignaturePiece(_signature())))
        self._kind = None
        return said + frame(BlockStop(self._index))

    def _empty(self, event: GenerateEvent) -> ContentBlock:
        match event:
            case ToolCallDelta(name=name):
                return ToolUse(new_id("toolu_", 24), name, _input(""))
            case ReasoningDelta():
                return Thinking("", "")
            case _:
                return Text("")

    def _piece(self, event: GenerateEvent) -> TextPiece | ThinkingPiece | InputDelta | None:
        match event:
            case TextDelta(text=text):
                return TextPiece(text)
            case ReasoningDelta(text=text) if self._shows_thinking:
                return ThinkingPiece(text)
            case ToolCallDelta(arguments=arguments) if arguments:
                return InputDelta(arguments)
            case _:
                return None


def _signature() -> str:
    """Clients keep thinking only with a signature; nothing is signed here."""
    return new_id("sig_")


def _input(arguments: str) -> dict[str, Any]:
    """The arguments as an object. Of those that a limit cut, what is whole, as the official
    client reads the pieces of a stream.
    """
    try:
        value = from_json(arguments or "{}", allow_partial=True)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
