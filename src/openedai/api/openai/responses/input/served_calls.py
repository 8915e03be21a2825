"""Calls of tools that the server has run, for the model that goes on after them."""

from __future__ import annotations

from typing import Any

import msgspec

from openedai.api.openai.responses.input.served_items import (
    ImageGenerationCall,
    McpApprovalRequest,
    McpCall,
)
from openedai.api.openai.responses.tools import mcp_name
from openedai.api.parameters.ids import new_id
from openedai.contract.chat import ToolCall

IMAGE_MADE = "The image was made, and the user sees it."


def made_call(item: McpCall | ImageGenerationCall) -> tuple[ToolCall, str]:
    """A call that was made, and what the model was told."""
    if isinstance(item, ImageGenerationCall):
        arguments = _json({"prompt": item.revised_prompt or ""})
        text = "Error: The image was not made." if item.status == "failed" else IMAGE_MADE
        return ToolCall(id=item.id, name="image_generation", arguments=arguments), text
    id = item.approval_request_id or item.id or new_id("call_")
    call = ToolCall(id=id, name=mcp_name(item.server_label, item.name), arguments=item.arguments)
    return call, f"Error: {_json(item.error)}" if item.output is None else item.output


def denied_call(request: McpApprovalRequest, reason: str | None) -> tuple[ToolCall, str]:
    """A call that the user did not allow, and what the model is told."""
    name = mcp_name(request.server_label, request.name)
    text = f"The user did not allow this call. {reason or ''}".strip()
    return ToolCall(id=request.id, name=name, arguments=request.arguments), text


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
