"""Renders tools as text, in the Hermes format, for models whose chat template has no tools."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec
from msgspec.structs import replace

from openedai.contract.chat import Message, Tool

_RESULT_ROLES = ("tool", "function")
_RESULT = "<tool_response>\n{}\n</tool_response>"
_CALL = '<tool_call>\n{{"name": {name}, "arguments": {arguments}}}\n</tool_call>'


def render_tools_as_text(
    messages: Sequence[Message], tools: Sequence[Tool], *, required: bool, parallel: bool
) -> tuple[Message, ...]:
    """The conversation as messages with text only.

    The system message, added if there is none, describes the tools. Calls become text of the
    assistant's messages. Results become messages of the user, one for consecutive results.
    `required` and `parallel` are as in `Chat`.
    """
    rendered: list[Message] = []
    for is_result, group in groupby(messages, lambda message: message.role in _RESULT_ROLES):
        if is_result:
            results = "\n".join(_RESULT.format(message.content) for message in group)
            rendered.append(Message(role="user", content=results))
        else:
            rendered.extend(map(_with_calls_as_text, group))
    if tools:
        _add_instruction(rendered, _instruction(tools, required=required, parallel=parallel))
    return tuple(rendered)


def _with_calls_as_text(message: Message) -> Message:
    calls = [
        _CALL.format(name=_json(call.name), arguments=call.arguments or "{}")
        for call in message.tool_calls
    ]
    content = "\n".join([message.content, *calls] if message.content else calls)
    return replace(message, content=content, tool_calls=()) if calls else message


def _add_instruction(messages: list[Message], instruction: str) -> None:
    """Append the instruction to the system message, which is added if there is none."""
    if messages and messages[0].role in ("system", "developer"):
        content = f"{messages[0].content}\n\n{instruction}"
        messages[0] = replace(messages[0], content=content)
    else:
        messages.insert(0, Message(role="system", content=instruction))


def _instruction(tools: Sequence[Tool], *, required: bool, parallel: bool) -> str:
    descriptions = "\n".join(_json(_description(tool)) for tool in tools)
    when = (
        "You must call a function now; do not answer yourself."
        if required
        else "When a function can help with the request, do not answer yourself: call the function."
    )
    number = "several functions, one after the other" if parallel else "one function only"
    otherwise = "" if required else " If no function helps, answer in words."
    example = _CALL.format(name='"NAME"', arguments='{"ARGUMENT": "VALUE"}')
    return (
        f"You have these functions:\n<tools>\n{descriptions}\n</tools>\n\n"
        f"{when} To call it, write only its name and arguments, like this:\n{example}\n"
        f"You can call {number}.{otherwise}"
    )


def _description(tool: Tool) -> dict[str, Any]:
    description: dict[str, Any] = {"name": tool.name}
    if tool.description:
        description["description"] = tool.description
    description["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return description


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
