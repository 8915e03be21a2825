"""Calls of tools that the server has run, as the model reads them when it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from openedai.api.openai.responses.input.served_items import (
    CodeInterpreterCall,
    FileSearchCall,
    ImageGenerationCall,
    McpApprovalRequest,
    McpCall,
    WebSearchCall,
)
from openedai.api.openai.responses.tools import mcp_name
from openedai.api.parameters.ids import new_id
from openedai.contract.chat import ToolCall
from openedai.search.words import count_tokens
from openedai.serving.tools.citations import Part, parts_text
from openedai.serving.tools.file_search import FILE_SEARCH

_NOT_KEPT = "The code has run. What it wrote is not shown again."
_ROOM = 2000  # estimated tokens of the parts of files that are shown again
_MOST_URLS = 10
_LONGEST_URL = 500  # characters
_NOT_SHOWN = "What was found is not shown again."
IMAGE_MADE = "The image was made, and the user sees it."


def made_call(item: McpCall | ImageGenerationCall | CodeInterpreterCall) -> tuple[ToolCall, str]:
    """A call that was made, and what the model was told about it."""
    if isinstance(item, CodeInterpreterCall):
        arguments = _json({"code": item.code or ""})
        logs = [one.logs for one in item.outputs or () if one.logs]
        call = ToolCall(id=item.id, name="code_interpreter", arguments=arguments)
        return call, "\n".join(logs) or _NOT_KEPT
    if isinstance(item, ImageGenerationCall):
        arguments = _json({"prompt": item.revised_prompt or ""})
        text = "Error: The image was not made." if item.status == "failed" else IMAGE_MADE
        return ToolCall(id=item.id, name="image_generation", arguments=arguments), text
    id = item.approval_request_id or item.id or new_id("call_")
    call = ToolCall(id=id, name=mcp_name(item.server_label, item.name), arguments=item.arguments)
    return call, f"Error: {_json(item.error)}" if item.output is None else item.output


def earlier_parts(items: Sequence[Any]) -> dict[int, list[Part]]:
    """The parts of files that the model reads again, by the positions of their searches among the
    items.

    The newest searches and their best parts are taken first, until one does not fit.
    """
    found: dict[int, list[Part]] = {}
    room = _ROOM
    for index in reversed(range(len(items))):
        if isinstance(call := items[index], FileSearchCall):
            found[index] = []
            for one in call.results or ():
                part = Part(one.file_id or "", one.filename or "", one.text or "")
                room -= count_tokens(part.text) + 1
                if room < 0:
                    return dict(sorted(found.items()))
                found[index].append(part)
    return dict(sorted(found.items()))


def file_search(item: FileSearchCall, parts: Sequence[Part], first: int) -> tuple[ToolCall, str]:
    """A search of an earlier response, and what the model reads of it again: parts that are
    numbered from `first` onwards.
    """
    query = item.queries[0] if item.queries else ""
    call = ToolCall(item.id or new_id("call_"), FILE_SEARCH.name, _json({"query": query}))
    if item.status == "failed":
        return call, "Error: The search failed."
    return call, parts_text(parts, first) if parts else _NOT_SHOWN


def web_search(item: WebSearchCall) -> tuple[ToolCall, str]:
    """A search of an earlier response, and what the model reads of it again."""
    query = str(item.action.get("query") or "")
    call = ToolCall(item.id or new_id("call_"), "web_search", _json({"query": query}))
    if item.status == "failed":
        return call, "Error: The search failed."
    sources = item.action.get("sources")
    urls = [one.get("url") for one in sources or () if isinstance(one, dict)]
    lines = [f"- {url[:_LONGEST_URL]}" for url in urls if isinstance(url, str)][:_MOST_URLS]
    return call, "\n".join(["These pages were found:", *lines]) if lines else _NOT_SHOWN


def denied_call(request: McpApprovalRequest, reason: str | None) -> tuple[ToolCall, str]:
    """A call that the user did not allow, and what the model is told about it."""
    name = mcp_name(request.server_label, request.name)
    text = f"The user did not allow this call. {reason or ''}".strip()
    return ToolCall(id=request.id, name=name, arguments=request.arguments), text


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
