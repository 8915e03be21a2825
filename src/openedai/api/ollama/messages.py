"""Turns Ollama's messages and tools into those of engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from pydantic import Field

from openedai.api.ollama.body import OllamaBody
from openedai.api.parameters.generation.tools import check_tools
from openedai.contract.chat import Image, Message, Tool, ToolCall
from openedai.errors import invalid_value
from openedai.media.images import ImageRef
from openedai.serving.images.loading import LoadedImages

MAX_TOOLS = 128


class CalledFunction(OllamaBody):
    """`index` and `description` have no effect."""

    name: str
    arguments: dict[str, Any] | None = None
    index: int | None = None
    description: str | None = None


class ToolCallParam(OllamaBody):
    id: str | None = None
    type: Literal["function"] | None = None
    function: CalledFunction


class OllamaMessage(OllamaBody):
    """`tool_name` and `tool_call_id` name the tool and the call whose result a message of the role
    `tool` is; without them it is the result of the next call. `name` is another name of
    `tool_name`.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[ToolCallParam] | None = None
    tool_name: str | None = None
    name: str | None = None
    tool_call_id: str | None = None

    @property
    def answered_tool(self) -> str | None:
        """The tool whose result the message is, if it says so."""
        return self.tool_name or self.name


class FunctionDefinition(OllamaBody):
    name: str = Field(min_length=1)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class FunctionTool(OllamaBody):
    type: Literal["function"] | None = None
    function: FunctionDefinition


def image_refs(images: Sequence[str] | None, path: str) -> list[ImageRef]:
    """The images in the field `path`, in base64, with or without line breaks. Their bytes tell
    their real type.
    """
    return [
        ImageRef(f"data:image/png;base64,{''.join(data.split())}", f"{path}[{number}]", path)
        for number, data in enumerate(images or ())
    ]


def conversation_image_refs(messages: Sequence[OllamaMessage]) -> list[ImageRef]:
    """All images of a conversation. Raises InvalidRequest for one in a message of another role."""
    refs = []
    for index, message in enumerate(messages):
        path = f"messages[{index}].images"
        if message.images and message.role not in ("user", "tool"):
            raise invalid_value(path, "only messages with role 'user' or 'tool' can have it")
        refs += image_refs(message.images, path)
    return refs


def to_images(refs: Sequence[ImageRef], loaded: LoadedImages) -> tuple[Image, ...]:
    """The images of one message, before its text."""
    images = (loaded[ref.param] for ref in refs)
    return tuple(Image(raw=one.raw, media_type=one.media_type, at=0) for one in images)


def conversation(messages: Sequence[OllamaMessage], images: LoadedImages) -> tuple[Message, ...]:
    """The messages for engines; each call has an id, and each result has that of its call."""
    parsed = []
    open_calls: list[ToolCall] = []
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        calls = tuple(
            ToolCall(
                id=call.id or f"call_{index}_{number}",
                name=call.function.name,
                arguments=msgspec.json.encode(call.function.arguments or {}).decode(),
            )
            for number, call in enumerate(message.tool_calls or ())
        )
        if calls and message.role != "assistant":
            raise invalid_value(
                f"{path}.tool_calls", "only messages with role 'assistant' can have it"
            )
        call_id = _answered_call(message, open_calls) if message.role == "tool" else None
        open_calls.extend(calls)
        parsed.append(
            Message(
                role=message.role,
                content=message.content or "",
                images=to_images(image_refs(message.images, f"{path}.images"), images),
                name=message.answered_tool,
                reasoning=message.thinking,
                tool_calls=calls,
                tool_call_id=call_id,
            )
        )
    return tuple(parsed)


def _answered_call(message: OllamaMessage, open_calls: list[ToolCall]) -> str | None:
    """The id of the call that a result belongs to, which is then removed from `open_calls`."""
    if message.tool_call_id:
        open_calls[:] = [call for call in open_calls if call.id != message.tool_call_id]
        return message.tool_call_id
    for index, call in enumerate(open_calls):
        if message.answered_tool in (None, "", call.name):
            return open_calls.pop(index).id
    return None


def to_tools(definitions: Sequence[FunctionTool]) -> tuple[Tool, ...]:
    """The tools for engines; parameters without a type are taken as an object's. Raises
    InvalidRequest for two tools with one name, and for invalid parameters.
    """
    tools = tuple(
        Tool(
            name=tool.function.name,
            description=tool.function.description or "",
            parameters=tool.function.parameters and {"type": "object", **tool.function.parameters},
        )
        for tool in definitions
    )
    paths = [f"tools[{index}].function" for index in range(len(tools))]
    check_tools(tools, paths, schema_field="parameters")
    return tools
