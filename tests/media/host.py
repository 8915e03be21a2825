"""An image host on this machine, with configurable and faulty answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    stated = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {stated}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(to: str, status: int = 302) -> bytes:
    return answer(b"", f"Location: {to}", status=f"{status} Found")


@dataclass(frozen=True)
class Endless:
    """`chunk` is sent until the client disconnects."""

    head: bytes
    chunk: bytes


@dataclass(frozen=True)
class Silent:
    """Sends `head` only. The events are set by the request and when the client disconnects."""

    head: bytes = b""
    requested: asyncio.Event = field(default_factory=asyncio.Event)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)


Behaviour = bytes | Endless | Silent


@dataclass(frozen=True)
class Host:
    """`requests` has the head of each request."""

    port: int
    requests: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


async def _behave(
    found: Behaviour, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
) -> None:
    if isinstance(found, bytes):
        writer.write(found.replace(b"{port}", str(port).encode()))
        await writer.drain()
        return
    writer.write(found.head)
    if isinstance(found, Silent):
        found.requested.set()
        await reader.read()
        found.disconnected.set()
        return
    while True:
        writer.write(found.chunk)
        await writer.drain()


@asynccontextmanager
async def host(
    behaviours: Mapping[str, Behaviour],
    address: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Host]:
    """Serve the behaviours at their paths; `{port}` in an answer is replaced by the host's port."""
    requests: list[str] = []
    open_writers: set[asyncio.StreamWriter] = set()
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            requests.append(head)
            found = behaviours.get(head.split(" ")[1], answer(b"", status="404 Not Found"))
            await _behave(found, reader, writer, port)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        open_writers.remove(writer)
        closed.set()

    server = await asyncio.start_server(serve, address, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Host(port, requests)
    finally:
        server.close()
        while open_writers:
            closed.clear()
            for writer in open_writers:
                writer.transport.abort()
            await closed.wait()
