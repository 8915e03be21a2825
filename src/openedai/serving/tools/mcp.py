"""Servers that offer tools over HTTP, in the Model Context Protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from pydantic import BaseModel

from openedai.media.hosts import Hosts
from openedai.serving.tools.failed import ToolFailed

if TYPE_CHECKING:
    from mcp import Client

    from openedai.serving.tools.mcp_transport import CheckedTransport

T = TypeVar("T")

_MAX_TOOLS = 512
_MAX_PAGES = 32  # of a list of tools
_MAX_MESSAGE = 1000  # characters of a server's error
_END_SECONDS = 4.0
# The statuses of a server that may only support the older protocol.
_OLDER = frozenset({400, 404, 405, 406, 415})
Transport = Literal["streamable", "sse"]


@dataclass(frozen=True)
class McpServer:
    """`headers` are sent with each request."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class McpTool:
    """`parameters` is the JSON Schema of the arguments. None of it can be trusted."""

    name: str
    description: str
    parameters: dict[str, Any]
    annotations: dict[str, Any] | None = None

    @property
    def read_only(self) -> bool:
        """Whether the server declares that the tool changes nothing."""
        return bool((self.annotations or {}).get("readOnlyHint"))


@dataclass(frozen=True)
class McpAnswer:
    """What a tool returned: the text of its content. `is_error` says that it failed."""

    text: str
    content: list[dict[str, Any]]
    is_error: bool


class McpFailed(ToolFailed):
    """A server could not be used. `code` is the HTTP status, or the protocol's number."""

    def __init__(self, message: str, kind: Literal["http_error", "mcp_protocol_error"], code: int):
        super().__init__(message[:_MAX_MESSAGE])
        self.kind = kind
        self.code = code


class McpConnection:
    """One session with a server, for a response. It begins with its first use.

    The library's session must begin and end in one task: that task is here, and works on one
    request at a time. `timeout` is in seconds, for each request.
    """

    def __init__(self, server: McpServer, hosts: Hosts, timeout: float) -> None:
        self._server = server
        self._hosts = hosts
        self._timeout = timeout
        self._requests: asyncio.Queue[tuple[Callable[[Client], Awaitable[Any]], Any] | None]
        self._task: asyncio.Task[None] | None = None
        self._transport: CheckedTransport | None = None

    async def list_tools(self) -> list[McpTool]:
        """All tools of the server, at most 512. Raises McpFailed."""

        async def read(client: Client) -> list[McpTool]:
            tools: list[McpTool] = []
            cursor: str | None = None
            for _ in range(_MAX_PAGES):
                page = await client.list_tools(cursor=cursor, cache_mode="refresh")
                for tool in page.tools:
                    notes = None if tool.annotations is None else _plain(tool.annotations)
                    tools.append(
                        McpTool(tool.name, tool.description or "", tool.input_schema, notes)
                    )
                cursor = page.next_cursor
                if cursor is None or len(tools) >= _MAX_TOOLS:
                    break
            return tools[:_MAX_TOOLS]

        return await self._use(read)

    async def call(self, name: str, arguments: dict[str, Any]) -> McpAnswer:
        """Call a tool, and return its answer. Raises McpFailed."""

        async def send(client: Client) -> McpAnswer:
            import mcp_types

            # Not `call_tool`: it would check the result against the server's own schema, whose
            # patterns can take forever.
            request = mcp_types.CallToolRequest(
                params=mcp_types.CallToolRequestParams(name=name, arguments=arguments)
            )
            result = await client.session.send_request(request, mcp_types.CallToolResult)
            content = [_plain(block) for block in result.content]
            text = "\n".join(map(_text, content))
            if not text and result.structured_content is not None:
                text = msgspec.json.encode(result.structured_content).decode()
            return McpAnswer(text, content, result.is_error)

        return await self._use(send)

    async def close(self) -> None:
        """End the session. It can be called twice."""
        task, self._task = self._task, None
        if task is None:
            return
        self._requests.put_nowait(None)
        try:
            await asyncio.wait({task}, timeout=_END_SECONDS)
        finally:
            while not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=_END_SECONDS)
            if not task.cancelled():
                task.exception()  # whoever waited was told

    async def _use(self, use: Callable[[Client], Awaitable[T]]) -> T:
        """What `use` returns for the session. After a failure the next use begins a new session."""
        if self._task is None:
            self._requests = asyncio.Queue()
            self._task = asyncio.create_task(self._run())
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._requests.put_nowait((use, answer))
        try:
            async with asyncio.timeout(self._timeout):
                waiting: set[asyncio.Future[Any]] = {self._task, answer}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            error = self._task.exception()
            raise self._failed(error or ConnectionError("the session ended"))
        except TimeoutError:
            self._abandon()
            await self.close()
            raise McpFailed(
                f"The MCP server did not answer within {self._timeout:g} seconds.",
                "http_error",
                504,
            ) from None
        except asyncio.CancelledError:
            self._abandon()
            raise
        except McpFailed:
            if self._task is not None and self._task.done():
                self._task = None
            raise
        finally:
            answer.cancel()

    def _abandon(self) -> None:
        """End the work in progress at once: nobody waits for it."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        from openedai.serving.tools.mcp_transport import CheckedTransport

        self._transport = CheckedTransport(self._hosts, self._timeout)
        for kind in self._kinds():
            self._transport.status = 0
            try:
                await self._serve(kind)
                return
            except Exception:
                if kind == "sse" or self._transport.status not in _OLDER:
                    raise

    def _kinds(self) -> tuple[Transport, ...]:
        """The transports of the protocol, in the order in which they are tried."""
        if urlsplit(self._server.url).path.rstrip("/").endswith("/sse"):
            return ("sse",)
        return ("streamable", "sse")

    async def _serve(self, kind: Transport) -> None:
        """Begin a session, and work on requests until one is None."""
        import httpx2
        from mcp import Client
        from mcp.client.sse import sse_client
        from mcp.client.streamable_http import streamable_http_client

        url, timeout = self._server.url, httpx2.Timeout(self._timeout)

        def make_client(*_: Any, **__: Any) -> httpx2.AsyncClient:
            headers = dict(self._server.headers)
            return httpx2.AsyncClient(
                transport=self._transport, headers=headers, timeout=timeout, trust_env=False
            )

        async with AsyncExitStack() as stack:
            if kind == "sse":
                streams: Any = sse_client(url, httpx_client_factory=make_client)
            else:
                http = await stack.enter_async_context(make_client())
                streams = streamable_http_client(url, http_client=http)
            client = await stack.enter_async_context(
                Client(streams, cache=None, read_timeout_seconds=self._timeout)
            )
            while (request := await self._requests.get()) is not None:
                use, answer = request
                try:
                    result = await use(client)
                except Exception as error:
                    if not answer.done():
                        answer.set_exception(self._failed(error))
                else:
                    if not answer.done():
                        answer.set_result(result)

    def _failed(self, error: BaseException) -> McpFailed:
        """The error for the model and for the client."""
        import mcp

        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        status = self._transport.status if self._transport is not None else 0
        failure = self._transport.failure if self._transport is not None else ""
        if status >= 300:
            return McpFailed(
                f"The MCP server answered with the status {status}.", "http_error", status
            )
        if failure:
            return McpFailed(f"The MCP server failed: {failure}.", "http_error", 502)
        if isinstance(error, mcp.MCPError):
            return McpFailed(error.message, "mcp_protocol_error", error.code)
        return McpFailed("The MCP server's answer is not valid.", "mcp_protocol_error", -32603)


def _plain(value: BaseModel) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


def _text(block: dict[str, Any]) -> str:
    """A part of a result for the model."""
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"type": "resource_link", "uri": uri}:
            return f"[{uri}]"
        case _:
            kind = block.get("mimeType") or block.get("type")
            return f"[{kind}, which cannot be shown]"
