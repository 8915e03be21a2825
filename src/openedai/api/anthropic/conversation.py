"""The turns of a conversation: from the wire to the engine's messages, and what is wrong in them.

Turns of one role that follow one another are one turn. Results of tools are messages of their
own, in the order of their blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from msgspec.structs import replace

from openedai.api.anthropic.blocks import (
    SEPARATOR,
    AnyBlock,
    Content,
    DocumentBlock,
    ImageBlock,
    RedactedThinkingBlock,
    SearchResultBlock,
    TextBlock,
    TextLike,
    Texts,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    plain,
)
from openedai.contract.chat import Image, Message, ToolCall
from openedai.errors import InvalidRequest, Unsupported
from openedai.http.body import Body

Pictures = Mapping[str, Image]
"""The loaded pictures of a request, by the places of their blocks in the body."""

_ALLOWED: dict[str, tuple[type[Body], ...]] = {
    "user": (TextBlock, ImageBlock, DocumentBlock, SearchResultBlock, ToolResultBlock),
    "assistant": (TextBlock, ThinkingBlock, RedactedThinkingBlock, ToolUseBlock),
    "system": (TextBlock,),
}
_FAILED = "Error:"


class MessageParam(Body):
    role: Literal["user", "assistant", "system"]
    content: Content


def image_blocks(messages: Sequence[MessageParam]) -> Iterator[tuple[str, ImageBlock]]:
    """Every picture, behind its place in the body."""
    for index, message in enumerate(messages):
        for where, block in _placed(message, f"messages[{index}]"):
            if isinstance(block, ImageBlock):
                yield where, block
            elif isinstance(block, ToolResultBlock) and not isinstance(block.content, str):
                for inner, one in enumerate(block.content or ()):
                    if isinstance(one, ImageBlock):
                        yield f"{where}.content[{inner}]", one


def conversation(
    system: Texts | None, messages: Sequence[MessageParam], pictures: Pictures
) -> tuple[Message, ...]:
    """The engine's messages. Raises InvalidRequest for a block that cannot stand where it is."""
    turns = _Turns(pictures)
    if system:
        turns.say("system", plain(system))
    for index, message in enumerate(messages):
        if not message.content:
            turns.begin(message.role)
        elif isinstance(message.content, str):
            turns.say(message.role, message.content)
        else:
            for where, block in _placed(message, f"messages[{index}]"):
                _check_place(message.role, block, where)
                turns.add(message.role, block, where)
    said = turns.end()
    if said[-1].role == "assistant":
        raise Unsupported(
            "Unsupported value: 'messages' cannot end with a message of the assistant: no model "
            "on this server goes on from the beginning of an answer (prefill).",
            code="unsupported_value",
            param="messages",
        )
    return said


def _placed(message: MessageParam, where: str) -> Iterator[tuple[str, AnyBlock]]:
    if not isinstance(message.content, str):
        for index, block in enumerate(message.content):
            yield f"{where}.content[{index}]", block


def _check_place(role: str, block: AnyBlock, where: str) -> None:
    if not isinstance(block, _ALLOWED[role]):
        raise InvalidRequest(
            f"Invalid '{where}.type': a message with role '{role}' cannot have blocks of type "
            f"'{block.type}'.",
            code="invalid_value",
            param=f"{where}.type",
        )


@dataclass
class _Turn:
    """What is known of a message so far."""

    role: str
    call_id: str | None = None
    texts: list[str] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)

    def add(self, block: TextLike | ImageBlock, where: str, pictures: Pictures) -> None:
        if isinstance(block, ImageBlock):
            at = len(SEPARATOR.join(self.texts))
            self.images.append(replace(pictures[where], at=at))
        else:
            self.texts.append(block.plain())

    def message(self) -> Message:
        return Message(
            role=self.role,
            content=SEPARATOR.join(self.texts),
            images=tuple(self.images),
            reasoning=SEPARATOR.join(self.thoughts) if self.thoughts else None,
            tool_calls=tuple(self.calls),
            tool_call_id=self.call_id,
        )


class _Turns:
    """Collects blocks into turns. A result is of a call in the last turn of the assistant."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._closed: list[Message] = []
        self._turn: _Turn | None = None
        self._open_calls: set[str] = set()

    def begin(self, role: str) -> _Turn:
        """The turn of the role, which goes on if it is the last one."""
        if self._turn is None or self._turn.role != role:
            self._close()
            if role == "assistant":
                self._open_calls = set()
            self._turn = _Turn(role)
        return self._turn

    def say(self, role: str, text: str) -> None:
        self.begin(role).texts.append(text)

    def add(self, role: str, block: AnyBlock, where: str) -> None:
        match block:
            case ToolResultBlock():
                self._add_result(block, where)
            case RedactedThinkingBlock():
                self.begin(role)
            case ThinkingBlock(thinking=thinking):
                self.begin(role).thoughts.append(thinking)
            case ToolUseBlock():
                arguments = msgspec.json.encode(block.input).decode()
                call = ToolCall(id=block.id, name=block.name, arguments=arguments)
                self.begin(role).calls.append(call)
                self._open_calls.add(block.id)
            case TextBlock() | DocumentBlock() | SearchResultBlock() | ImageBlock():
                self.begin(role).add(block, where, self._pictures)

    def end(self) -> tuple[Message, ...]:
        self._close()
        return tuple(self._closed)

    def _add_result(self, block: ToolResultBlock, where: str) -> None:
        if block.tool_use_id not in self._open_calls:
            raise InvalidRequest(
                f"Invalid '{where}.tool_use_id': there is no 'tool_use' block with the id "
                f"'{block.tool_use_id}' in the last message of the assistant, or it has its "
                "result.",
                code="invalid_value",
                param=f"{where}.tool_use_id",
            )
        self._open_calls.remove(block.tool_use_id)
        self._close()
        result = _Turn("tool", block.tool_use_id, [_FAILED] if block.is_error else [])
        if isinstance(block.content, str):
            result.texts.append(block.content)
        else:
            for index, one in enumerate(block.content or ()):
                if isinstance(one, TextLike | ImageBlock):
                    result.add(one, f"{where}.content[{index}]", self._pictures)
        self._closed.append(result.message())

    def _close(self) -> None:
        if self._turn is not None:
            self._closed.append(self._turn.message())
            self._turn = None
