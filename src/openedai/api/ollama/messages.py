"""Messages and tools as Ollama writes them, and as engines see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from pydantic import Field

from openedai.engines.base import Message, Tool, ToolCall
from openedai.errors import InvalidRequest, Unsupported
from openedai.http.body import Body

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
    images: list[Any] | None = None
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


def refuse_images(images: Sequence[Any] | None, where: str) -> None:
    """No model here understands pictures. Raises Unsupported."""
    if images:
        raise Unsupported(
            f"Unsupported parameter: '{where}' is not supported by this server.",
            code="unsupported_parameter",
            param=where,
        )


def conversation(messages: Sequence[OllamaMessage]) -> tuple[Message, ...]:
    """The messages for engines, where each call has an id and each result names its call's."""
    parsed = []
    waiting: list[ToolCall] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        refuse_images(message.images, f"{where}.images")
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
    """The tools for engines. Raises InvalidRequest for two of a name, and for bad parameters."""
    seen: set[str] = set()
    for index, tool in enumerate(given):
        function, where = tool.function, f"tools[{index}].function"
        if function.name in seen:
            raise InvalidRequest(
                f"Invalid '{where}.name': there are two functions with the name '{function.name}'.",
                code="invalid_value",
                param=f"{where}.name",
            )
        seen.add(function.name)
        kind = (function.parameters or {}).get("type", "object")
        if kind != "object":
            raise InvalidRequest(
                f"Invalid '{where}.parameters': the type must be 'object', not {kind!r}.",
                code="invalid_function_parameters",
                param=f"{where}.parameters",
            )
    return tuple(
        Tool(
            name=tool.function.name,
            description=tool.function.description or "",
            parameters=tool.function.parameters,
        )
        for tool in given
    )
