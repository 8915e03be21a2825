"""A connection between the server and a child process: frames over a socket pair.

A frame is a length (4 bytes, big endian) and a msgpack body. A socket pair has no file, and when
either side ends, the other reads the end of the stream. That is how the child learns that its
parent is gone.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import msgspec

_LENGTH = 4
_WRITE_AT = 1 << 16  # bytes that are written immediately, even if more may follow
_encode = msgspec.msgpack.Encoder().encode


def pack(value: Any) -> bytes:
    """The frame of a value that msgspec can encode."""
    body = _encode(value)
    return len(body).to_bytes(_LENGTH, "big") + body


class FrameSplitter:
    """Splits the bytes of a stream, as they arrive, into the bodies of its frames."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _LENGTH  # bytes that `_rest` must have before a frame can be complete

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies of the frames that `data` completes."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        bodies = []
        start, self._needed = 0, _LENGTH
        while (body_start := start + _LENGTH) <= len(data):
            end = body_start + int.from_bytes(data[start:body_start], "big")
            if end > len(data):
                self._needed = end - start
                break
            bodies.append(data[body_start:end])
            start = end
        self._rest += data[start:]
        return bodies


class Connection(asyncio.Protocol):
    """One end of the connection.

    What is sent in one iteration of the event loop is written together, with a single system call.
    `closed` is done when the other side is gone or this side was closed.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._splitter = FrameSplitter()
        self._receive: Callable[[bytes], None] | None = None
        self._arrived: deque[bytes] = deque()
        self._arrival = asyncio.Event()
        self._unwritten: list[bytes] = []
        self._unwritten_bytes = 0
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def over(cls, end: socket.socket) -> Connection:
        """The connection over one end of a socket pair, which it then owns."""
        _, connection = await asyncio.get_running_loop().create_unix_connection(cls, sock=end)
        return connection

    async def frame(self) -> bytes | None:
        """The body of the next frame; None when the other side is gone."""
        while not self._arrived and not self.closed.done():
            self._arrival.clear()
            await self._arrival.wait()
        return self._arrived.popleft() if self._arrived else None

    def receive_with(self, receive: Callable[[bytes], None]) -> None:
        """From now on, pass the body of each frame to `receive` instead of returning it from
        `frame`.
        """
        self._receive = receive
        while self._arrived:
            receive(self._arrived.popleft())

    def send(self, frame: bytes) -> None:
        """Write a frame in this iteration of the event loop. Does nothing once the connection is
        closed.
        """
        if not self._unwritten:
            self._loop.call_soon(self._flush)
        self._unwritten.append(frame)
        self._unwritten_bytes += len(frame)
        if self._unwritten_bytes >= _WRITE_AT:
            self._flush()

    async def writable(self) -> None:
        """Wait while the other side has too much to read. Call this after each of many `send`s."""
        await self._writable.wait()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        """Close the connection once the other side has received everything."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close the connection immediately."""
        self._transport.abort()

    def _flush(self) -> None:
        if self._unwritten and not self.is_closing():
            self._transport.write(b"".join(self._unwritten))
        self._unwritten.clear()
        self._unwritten_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        bodies = self._splitter.feed(data)
        if self._receive is None:
            self._arrived.extend(bodies)
            self._arrival.set()
        else:
            for body in bodies:
                self._receive(body)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._writable.set()
        self._arrival.set()
        if not self.closed.done():
            self.closed.set_result(None)
