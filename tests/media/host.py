"""A host of images on this machine, which answers as it is told, rightly or not."""

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
    """Is sent again and again until the other side has enough."""

    head: bytes
    piece: bytes


@dataclass(frozen=True)
class Silent:
    """Nothing more comes after this; `left` is set when the other side has left."""

    head: bytes = b""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)


Behaviour = bytes | Endless | Silent


@dataclass(frozen=True)
class Host:
    """`seen` has the heads of all requests."""

    port: int
    seen: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def host(
    behaviours: Mapping[str, Behaviour],
    address: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Host]:
    """Serve these at their paths; `{port}` in an answer is the host's own."""
    seen: list[str] = []
    open_ends: set[asyncio.StreamWriter] = set()
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ends.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            seen.append(head)
            found = behaviours.get(head.split(" ")[1], answer(b"", status="404 Not Found"))
            await _behave(found, reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        open_ends.remove(writer)
        closed.set()

    async def _behave(
        found: Behaviour, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if isinstance(found, bytes):
            writer.write(found.replace(b"{port}", str(own).encode()))
            await writer.drain()
            return
        writer.write(found.head)
        if isinstance(found, Silent):
            found.asked.set()
            await reader.read()
            found.left.set()
            return
        while True:
            writer.write(found.piece)
            await writer.drain()

    server = await asyncio.start_server(serve, address, 0, ssl=tls)
    own = server.sockets[0].getsockname()[1]
    try:
        yield Host(own, seen)
    finally:
        server.close()
        while open_ends:
            closed.clear()
            for writer in open_ends:
                writer.transport.abort()
            await closed.wait()
