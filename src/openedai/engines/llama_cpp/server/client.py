"""A small HTTP/1.1 client for a server of our own on a Unix socket, quick with event streams.

Every request has a connection of its own; closing it early is how the server learns that the
client is gone. Each token of each answer passes here, on cores that are busy computing the
next one: that is why this is not a general client. The parsing is httptools'.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httptools
import msgspec

_HIGH_WATER = 1 << 18


class Response(asyncio.Protocol):
    """One answer as it arrives. `status` is known once `UnixClient.request` has yielded it."""

    def __init__(self) -> None:
        self.status = 0
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._complete = False
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport

    @property
    def reading(self) -> bool:
        """False while the connection is paused, because enough of the body waits to be read."""
        return self._transport.is_reading()

    async def head(self) -> None:
        """Wait for the status. Raises ConnectionError."""
        while not self.status:
            await self._wait()

    async def read(self) -> bytes:
        """The whole body. Raises ConnectionError if it ends too early."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ConnectionError if it ends too early."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._size -= len(chunk)
                yield chunk
            if self._complete:
                return
            await self._wait()

    async def events(self) -> AsyncIterator[bytes]:
        """The text of each server-sent event. Raises ConnectionError."""
        rest = b""
        async for chunk in self.chunks():
            *events, rest = (rest + chunk).split(b"\n\n")
            for event in events:
                yield event

    async def _wait(self) -> None:
        if self._closed:
            raise ConnectionError("the connection ended in the middle of an answer")
        self._transport.resume_reading()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The transport calls these.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._closed = True
        self._wake()

    # The parser calls these.

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._wake()

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._size += len(body)
        if self._size > _HIGH_WATER:
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        self._complete = True
        self._wake()


class UnixClient:
    """Speaks to the server on the socket at `path`, with `key` as its bearer key."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = str(path)
        self._key = key

    @asynccontextmanager
    async def request(self, method: str, path: str, body: Any = None) -> AsyncIterator[Response]:
        """Send `body` as JSON and wait for the answer's head; leaving closes the connection.

        Raises OSError (ConnectionError is one) if the server is gone.
        """
        loop = asyncio.get_running_loop()
        transport, response = await loop.create_unix_connection(Response, self._path)
        data = b"" if body is None else msgspec.json.encode(body)
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        try:
            transport.write(head.encode("ascii") + data)
            await response.head()
            yield response
        finally:
            transport.abort()
