"""The turns of a conversation: from the wire to the engine's messages.

Consecutive turns of one role are one turn. Tool results are separate messages, in the order of
their blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from openedai.api.anthropic.blocks import (
    SEPARATOR,
    AnyBlock,
    Base64Image,
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
    UrlImage,
    plain,
)
from openedai.contract.chat import Image, Message, ToolCall
from openedai.errors import Unsupported, invalid_value
from openedai.http.body import Body
from openedai.media.images import ImageRef
from openedai.serving.images.loading import LoadedImages

_ALLOWED: dict[str, tuple[type[Body], ...]] = {
    "user": (TextBlock, ImageBlock, DocumentBlock, SearchResultBlock, ToolResultBlock),
    "assistant": (TextBlock, ThinkingBlock, RedactedThinkingBlock, ToolUseBlock),
    "system": (TextBlock,),
}
_FAILED = "Error:"
# The first block of Claude Code's system prompt; it has a value that changes with each request.
_BILLING = "x-anthropic-billing-header:"


class MessageParam(Body):
    role: Literal["user", "assistant", "system"]
    content: Content


def image_refs(messages: Sequence[MessageParam]) -> list[ImageRef]:
    """The images of all messages, in order."""
    return [
        ImageRef(_image_url(block), _image_param(path, block), f"{path}.type")
        for path, block in _image_blocks(messages)
    ]


def _image_blocks(messages: Sequence[MessageParam]) -> Iterator[tuple[str, ImageBlock]]:
    """Every image, each preceded by its path in the body."""
    for index, message in enumerate(messages):
        for path, block in _blocks(message, f"messages[{index}]"):
            if isinstance(block, ImageBlock):
                yield path, block
            elif isinstance(block, ToolResultBlock) and not isinstance(block.content, str):
                for inner_index, inner_block in enumerate(block.content or ()):
                    if isinstance(inner_block, ImageBlock):
                        yield f"{path}.content[{inner_index}]", inner_block


def conversation(
    system: Texts | None, messages: Sequence[MessageParam], images: LoadedImages
) -> tuple[Message, ...]:
    """The engine's messages. Raises InvalidRequest for a block that is not valid there."""
    turns = _Turns(images)
    if system and (text := plain(_without_billing(system))):
        turns.add_text("system", text)
    for index, message in enumerate(messages):
        if not message.content:
            turns.begin(message.role)
        elif isinstance(message.content, str):
            turns.add_text(message.role, message.content)
        else:
            for path, block in _blocks(message, f"messages[{index}]"):
                _check_allowed(message.role, block, path)
                turns.add(message.role, block, path)
    closed = turns.end()
    if closed[-1].role == "assistant":
        raise Unsupported(
            "Unsupported value: 'messages' cannot end with a message of the assistant: no model "
            "on this server goes on from the beginning of an answer (prefill).",
            code="unsupported_value",
            param="messages",
        )
    return closed


def _without_billing(system: Texts) -> Texts:
    """The system prompt without the block about billing, which would leave prompts without a common
    prefix.
    """
    if isinstance(system, str):
        return system
    return [
        block
        for block in system
        if not (isinstance(block, TextBlock) and block.text.startswith(_BILLING))
    ]


def _blocks(message: MessageParam, path: str) -> Iterator[tuple[str, AnyBlock]]:
    """The blocks of the message, each preceded by its path in the body."""
    if not isinstance(message.content, str):
        for index, block in enumerate(message.content):
            yield f"{path}.content[{index}]", block


def _check_allowed(role: str, block: AnyBlock, path: str) -> None:
    if not isinstance(block, _ALLOWED[role]):
        raise invalid_value(
            f"{path}.type",
            f"a message with role '{role}' cannot have blocks of type '{block.type}'",
        )


@dataclass
class _Turn:
    """A message under construction."""

    role: str
    call_id: str | None = None
    texts: list[str] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)

    def add(self, block: TextLike | ImageBlock, path: str, images: LoadedImages) -> None:
        if isinstance(block, ImageBlock):
            at = len(SEPARATOR.join(self.texts))
            image = images[_image_param(path, block)]
            self.images.append(Image(raw=image.raw, media_type=image.media_type, at=at))
        else:
            self.texts.append(block.plain())

    def message(self) -> Message:
        return Message(
            role=self.role,
            content=SEPARATOR.join(self.texts),
            images=tuple(self.images),
            reasoning=SEPARATOR.join(self.reasoning) if self.reasoning else None,
            tool_calls=tuple(self.tool_calls),
            tool_call_id=self.call_id,
        )


class _Turns:
    """Collects blocks into turns. A result belongs to a call in the last turn of the assistant."""

    def __init__(self, images: LoadedImages) -> None:
        self._loaded = images
        self._closed: list[Message] = []
        self._turn: _Turn | None = None
        self._open_calls: set[str] = set()

    def begin(self, role: str) -> _Turn:
        """The turn of the role: the last one, if it has that role, or a new one."""
        if self._turn is None or self._turn.role != role:
            self._close()
            if role == "assistant":
                self._open_calls = set()
            self._turn = _Turn(role)
        return self._turn

    def add_text(self, role: str, text: str) -> None:
        self.begin(role).texts.append(text)

    def add(self, role: str, block: AnyBlock, path: str) -> None:
        match block:
            case ToolResultBlock():
                self._add_result(block, path)
            case RedactedThinkingBlock():
                self.begin(role)
            case ThinkingBlock(thinking=thinking):
                self.begin(role).reasoning.append(thinking)
            case ToolUseBlock():
                arguments = msgspec.json.encode(block.input).decode()
                call = ToolCall(id=block.id, name=block.name, arguments=arguments)
                self.begin(role).tool_calls.append(call)
                self._open_calls.add(block.id)
            case TextBlock() | DocumentBlock() | SearchResultBlock() | ImageBlock():
                self.begin(role).add(block, path, self._loaded)

    def end(self) -> tuple[Message, ...]:
        self._close()
        return tuple(self._closed)

    def _add_result(self, block: ToolResultBlock, path: str) -> None:
        if block.tool_use_id not in self._open_calls:
            raise invalid_value(
                f"{path}.tool_use_id",
                "there is no 'tool_use' block with the id "
                f"'{block.tool_use_id}' in the last message of the assistant, or it has its "
                "result",
            )
        self._open_calls.remove(block.tool_use_id)
        self._close()
        result = _Turn("tool", block.tool_use_id, [_FAILED] if block.is_error else [])
        if isinstance(block.content, str):
            result.texts.append(block.content)
        else:
            for index, inner_block in enumerate(block.content or ()):
                if isinstance(inner_block, TextLike | ImageBlock):
                    result.add(inner_block, f"{path}.content[{index}]", self._loaded)
        self._closed.append(result.message())

    def _close(self) -> None:
        if self._turn is not None:
            self._closed.append(self._turn.message())
            self._turn = None


def _image_param(path: str, block: ImageBlock) -> str:
    field = "data" if isinstance(block.source, Base64Image) else "url"
    return f"{path}.source.{field}"


def _image_url(block: ImageBlock) -> str:
    match block.source:
        case Base64Image(media_type=media_type, data=data):
            return f"data:{media_type};base64,{data}"
        case UrlImage(url=url):
            return url
        case _:
            raise AssertionError("other sources are refused when they are parsed")
