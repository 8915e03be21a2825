"""Messages of a conversation in the shape of the OpenAI API, which chat templates read too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openedai.contract.chat import Message


def message_fields(message: Message, reasoning: Iterable[str]) -> dict[str, Any]:
    """The message as a JSON object, with its text as the content and without its images.

    `reasoning` are the names of the fields for the reasoning, for which the official API has none.
    """
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name is not None:
        fields["name"] = message.name
    if message.reasoning is not None:
        fields |= dict.fromkeys(reasoning, message.reasoning)
    if message.tool_calls:
        fields["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        fields["tool_call_id"] = message.tool_call_id
    return fields
