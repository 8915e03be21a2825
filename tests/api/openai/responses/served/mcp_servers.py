"""MCP servers: one of the official library, and one that answers what a test says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from aiohttp import web
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.api.openai.responses.served.search_engine import serving


@dataclass
class RealServer:
    """`headers` are those of each request, `calls` the calls, and `hanging` those that wait."""

    url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    hanging: int = 0


@contextmanager
def real_server() -> Iterator[RealServer]:
    """It serves `/mcp`, and the older protocol at `/sse`."""
    server, recorded = MCPServer("tests"), RealServer()

    @server.tool(description="Adds two numbers.", annotations=ToolAnnotations(readOnlyHint=True))
    def add(a: int, b: int) -> str:
        recorded.calls.append("add")
        return str(a + b)

    @server.tool(description="Deletes a file.")
    def delete(path: str) -> str:
        recorded.calls.append("delete")
        if path == "missing":
            raise ToolError("there is no such file")
        return f"deleted {path}"

    @server.tool(description="Waits.")
    async def hang() -> str:
        recorded.hanging += 1
        try:
            await asyncio.sleep(3600)
        finally:
            recorded.hanging -= 1
        return ""

    @server.tool(name="odd.name/2", description="Says what it gets.")
    def odd(text: str) -> str:
        return text

    streamable, older = server.streamable_http_app(), server.sse_app()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            names = {name.decode(): value.decode() for name, value in scope["headers"]}
            recorded.headers.append(names)
            if names.get("authorization") == "Bearer wrong":
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b"no"})
                return
        path = scope.get("path", "")
        inner: Starlette = older if path.startswith(("/sse", "/messages")) else streamable
        await inner(scope, receive, send)

    with _uvicorn(app) as recorded.url:
        yield recorded


@contextmanager
def _uvicorn(app: ASGIApp) -> Iterator[str]:
    config = uvicorn.Config(
        app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=1, lifespan="on"
    )
    server = uvicorn.Server(config)
    started = threading.Event()
    startup = server.startup

    async def announce(sockets: Any = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = announce  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(30)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


Answer = Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class BadServer:
    """It begins sessions well. `list` and `call` answer the rest; they get the message."""

    url: str = ""
    list: Answer | None = None
    call: Answer | None = None
    requests: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if request.method != "POST":
            return web.Response(status=405)
        message = await request.json()
        match message.get("method"):
            case "initialize":
                return result(
                    message,
                    {
                        "protocolVersion": "2025-06-18",
                        "capabilities": {"tools": {}},
                        "serverInfo": {"name": "bad", "version": "1"},
                    },
                )
            case "tools/list" if self.list is not None:
                return await self.list(message)
            case "tools/list":
                schema = {"type": "object"}
                return result(message, {"tools": [{"name": "f", "inputSchema": schema}]})
            case "tools/call" if self.call is not None:
                return await self.call(message)
            case "server/discover":
                return web.Response(status=400)
            case _:
                return web.Response(status=202)


def result(message: dict[str, Any], value: Any) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": value})


@contextmanager
def bad_server() -> Iterator[BadServer]:
    server = BadServer()
    app = web.Application()
    app.router.add_route("*", "/mcp", server.handle)
    with serving(app) as url:
        server.url = f"{url}/mcp"
        yield server


def call(name: str, **arguments: Any) -> str:
    """A call as models write it."""
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"
