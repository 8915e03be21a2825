"""The tools of MCP servers: listing them, calls that the client approved, and other calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from openedai.api.openai.responses.input.media import Located
from openedai.api.openai.responses.input.served import McpServerTool
from openedai.api.openai.responses.input.served_items import (
    McpListTools,
)
from openedai.api.openai.responses.output.objects import (
    McpHttpError,
    McpListedTool,
    McpProtocolError,
    McpToolError,
)
from openedai.api.openai.responses.output.open_mcp import McpListResult, McpResult
from openedai.api.openai.responses.tools import (
    CallableTool,
    mcp_function,
)
from openedai.api.openai.responses.types import ResponseRequest
from openedai.media.hosts import Hosts
from openedai.serving.call import Call
from openedai.serving.tools.failed import ToolFailed
from openedai.serving.tools.mcp import McpConnection, McpFailed, McpServer


class McpRunner:
    """Runs the tools for one response; its connections are kept until `close`. `timeout` is in
    seconds. `trace` are the headers of its trace, unless the client gives a server its own.
    """

    def __init__(self, hosts: Hosts, timeout: float, trace: Mapping[str, str]) -> None:
        self._hosts = hosts
        self._timeout = timeout
        self._trace = trace
        self._connections: dict[str, McpConnection] = {}

    async def close(self) -> None:
        await asyncio.gather(*(one.close() for one in self._connections.values()))

    async def list_tools(self, server: McpServerTool) -> McpListResult:
        """The tools that the definition of a server allows, or why there are none."""
        try:
            tools = await self._connection(server).list_tools()
        except ToolFailed as error:
            return McpListResult("", str(error))
        allowed = [tool for tool in tools if server.allows(tool.name, read_only=tool.read_only)]
        return McpListResult(
            "",
            tools=tuple(
                McpListedTool(tool.name, tool.parameters, tool.description, tool.annotations)
                for tool in allowed
            ),
        )

    async def run(
        self, call: Call[ResponseRequest], tool: CallableTool, arguments: dict[str, Any]
    ) -> AsyncGenerator[McpResult, None]:
        assert isinstance(tool.served, McpServerTool)
        try:
            answer = await self._connection(tool.served).call(tool.name, arguments)
        except McpFailed as error:
            of_http = error.kind == "http_error"
            kind = McpHttpError if of_http else McpProtocolError
            yield McpResult(f"Error: {error}", str(error), kind(error.code, str(error)))
            return
        if answer.is_error:
            text = answer.text or "The tool failed."
            yield McpResult(f"Error: {text}", text, McpToolError(answer.content))
        else:
            yield McpResult(answer.text)

    def _connection(self, server: McpServerTool) -> McpConnection:
        label = server.server_label
        if label not in self._connections:
            headers = server.sent_headers()
            given = {name.lower() for name in headers}
            trace = {} if given & self._trace.keys() else self._trace
            found = McpServer(server.server_url, {**trace, **headers})
            self._connections[label] = McpConnection(found, self._hosts, self._timeout)
        return self._connections[label]


def known_list(items: Sequence[Located], server: McpServerTool) -> tuple[McpListedTool, ...] | None:
    """The server's tools that an earlier response has listed; None if none has."""
    for _, item in reversed(items):
        if isinstance(item, McpListTools) and item.server_label == server.server_label:
            if item.error is not None:
                return None
            return tuple(
                McpListedTool(one.name, one.input_schema, one.description, one.annotations)
                for one in item.tools
                if server.allows(one.name, read_only=_read_only(one.annotations))
            )
    return None


def callable_tool(server: McpServerTool, path: str, tool: McpListedTool) -> CallableTool:
    """A tool of a server, with the function that the model sees."""
    read_only = _read_only(tool.annotations)
    return mcp_function(
        server,
        path,
        tool.name,
        tool.description or "",
        tool.input_schema,
        needs_approval=server.needs_approval(tool.name, read_only=read_only),
    )


def _read_only(annotations: dict[str, Any] | None) -> bool:
    return bool((annotations or {}).get("readOnlyHint"))
