"""Messages and tools as Ollama writes them, and as engines see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from pydantic import Field

from openedai.api.parameters.tools import check_tools
from openedai.contract.chat import Message, Tool, ToolCall
from openedai.errors import InvalidRequest
from openedai.http.body import Body
from openedai.serving.images import Pictured

MAX_TOOLS = 128


class CalledFunction(Body):
    """`index` and `description` have no effect."""

    name: str
    arguments: dict[str, Any] | None = None
    index: int | None = None
    description: str | None = None


class Call(Body):
    id: str | None = None
    type: Literal["function"] | None = None
    function: CalledFunction


class OllamaMessage(Body):
    """`tool_name` says whose answer a message of the role `tool` is, and `tool_call_id` of which
    call; without them it is the next one's.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[Call] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class FunctionDefinition(Body):
    name: str = Field(min_length=1)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class FunctionTool(Body):
    type: Literal["function"] | None = None
    function: FunctionDefinition


def pictures(images: Sequence[str] | None, message: int, where: str) -> list[Pictured]:
    """The images of message number `message`, which are in front of its text."""
    return [
        Pictured(
            message=message,
            at=0,
            url=f"data:image/png;base64,{data}",  # what it really is, is seen from the bytes
            detail="auto",
            param=f"{where}[{number}]",
            kind=where,
        )
        for number, data in enumerate(images or ())
    ]


def pictured(messages: Sequence[OllamaMessage]) -> list[Pictured]:
    """All images of a conversation. Raises InvalidRequest where none can be."""
    found = []
    for index, message in enumerate(messages):
        where = f"messages[{index}].images"
        if message.images and message.role not in ("user", "tool"):
            raise InvalidRequest(
                f"Invalid '{where}': only messages with role 'user' or 'tool' can have it.",
                code="invalid_value",
                param=where,
            )
        found += pictures(message.images, index, where)
    return found


def conversation(messages: Sequence[OllamaMessage]) -> tuple[Message, ...]:
    """The messages for engines, where each call has an id and each result names its call's."""
    parsed = []
    waiting: list[ToolCall] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        calls = tuple(
            ToolCall(
                id=call.id or f"call_{index}_{number}",
                name=call.function.name,
                arguments=msgspec.json.encode(call.function.arguments or {}).decode(),
            )
            for number, call in enumerate(message.tool_calls or ())
        )
        if calls and message.role != "assistant":
            raise InvalidRequest(
                f"Invalid '{where}.tool_calls': only messages with role 'assistant' can have it.",
                code="invalid_value",
                param=f"{where}.tool_calls",
            )
        answered = _answered(message, waiting) if message.role == "tool" else None
        waiting.extend(calls)
        parsed.append(
            Message(
                role=message.role,
                content=message.content or "",
                name=message.tool_name,
                reasoning=message.thinking,
                tool_calls=calls,
                tool_call_id=answered,
            )
        )
    return tuple(parsed)


def _answered(message: OllamaMessage, waiting: list[ToolCall]) -> str | None:
    """The id of the call that a result belongs to, which then waits no longer."""
    if message.tool_call_id:
        waiting[:] = [call for call in waiting if call.id != message.tool_call_id]
        return message.tool_call_id
    for place, call in enumerate(waiting):
        if message.tool_name in (None, "", call.name):
            return waiting.pop(place).id
    return None


def tools(given: Sequence[FunctionTool]) -> tuple[Tool, ...]:
    """The tools for engines; parameters without a type are an object's. Raises InvalidRequest for
    two of a name, and for bad parameters.
    """
    found = tuple(
        Tool(
            name=tool.function.name,
            description=tool.function.description or "",
            parameters=tool.function.parameters and {"type": "object", **tool.function.parameters},
        )
        for tool in given
    )
    places = [f"tools[{index}].function" for index in range(len(found))]
    check_tools(found, places, schema="parameters")
    return found
