"""Calls of tools that the client approves before they are made."""

from __future__ import annotations

from collections.abc import Sequence

from openedai.api.openai.responses.input.media import Located
from openedai.api.openai.responses.input.served_items import (
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
)
from openedai.api.openai.responses.tools import (
    CallableTool,
    CallableTools,
    mcp_function,
    mcp_name,
)
from openedai.contract.chat import ToolCall
from openedai.errors import invalid_value


def approved_calls(
    items: Sequence[Located], tools: CallableTools
) -> list[tuple[CallableTool, ToolCall]]:
    """The calls that the client has approved and that were not made yet; their ids are those of the
    approval requests. If the tool of a call no longer exists, it is not among `tools`.

    Raises InvalidRequest for the approval of a call that nobody asked to make, or of a server that
    is not in the request.
    """
    requests = {item.id: item for _, item in items if isinstance(item, McpApprovalRequest)}
    made = {item.approval_request_id for _, item in items if isinstance(item, McpCall)}
    found: dict[str, tuple[CallableTool, ToolCall]] = {}
    for path, item in items:
        if not isinstance(item, McpApprovalResponse) or item.approval_request_id in made:
            continue
        request = requests.get(item.approval_request_id)
        if request is None:
            raise invalid_value(f"{path}.approval_request_id", "there is no such request")
        if not item.approve:
            continue
        located = tools.server(request.server_label)
        if located is None:
            raise invalid_value(f"{path}.approval_request_id", "its server is not in 'tools'")
        at, server = located
        name = mcp_name(request.server_label, request.name)
        tool = tools.of_function(name)
        if tool is None or tool.served is not server:
            tool = mcp_function(server, at, request.name, "", {}, needs_approval=True)
        found[request.id] = (tool, ToolCall(id=request.id, name=name, arguments=request.arguments))
    return list(found.values())
