"""An upstream that fails in a chosen way, in the event loop of the test."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class ReceivedRequest:
    """`headers` have lower-case names; `body` is None for a GET.

    A form is a dict of the texts for each name; `files` are name, file name, type and content.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    files: tuple[tuple[str, str, str, bytes], ...] = ()


class Peer:
    """The other end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: int, body: bytes, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def disconnected(self) -> None:
        """Wait until the client has closed the connection."""
        with suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass

    def reset(self) -> None:
        """End the connection as a crash would, with a RST."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Fault = Callable[[Peer, ReceivedRequest], Awaitable[None]]


@dataclass
class FaultyServer:
    """`fault` answers every POST. A GET is a health check, which succeeds while `up`, unless `gets`
    has an answer for its path: a status, a type and a body. Without `reads_bodies`, those of
    requests are left to the fault.
    """

    fault: Fault
    up: bool = True
    reads_bodies: bool = True
    port: int = 0
    requests: list[ReceivedRequest] = field(default_factory=list)
    gets: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    got: list[ReceivedRequest] = field(default_factory=list)
    checked: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    _open: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self._open += 1
        self.idle.clear()
        try:
            request = await _read(reader, with_body=self.reads_bodies)
            if request is None:
                return
            if request.path in self.gets:
                status, media_type, body = self.gets[request.path]
                self.got.append(request)
                await peer.answer(status, body, content_type=media_type)
                return
            if request.method == "GET":
                await peer.answer(200 if self.up else 500, b'{"data": [{"id": "theirs"}]}')
                self.checked.set()
                return
            self.requests.append(request)
            await self.fault(peer, request)
        except ConnectionError:
            pass
        finally:
            self._open -= 1
            if not self._open:
                self.idle.set()
            writer.close()


async def _read(reader: asyncio.StreamReader, with_body: bool) -> ReceivedRequest | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    size = int(headers.get("content-length", 0)) if with_body else 0
    content = await reader.readexactly(size)
    if size and "multipart/form-data" in headers.get("content-type", ""):
        return ReceivedRequest(method, path, headers, *_form(headers["content-type"], content))
    return ReceivedRequest(method, path, headers, json.loads(content) if size else None)


def _form(
    content_type: str, content: bytes
) -> tuple[dict[str, list[str]], tuple[tuple[str, str, str, bytes], ...]]:
    """The fields and files, read by Python's own parser of messages."""
    message = BytesParser(policy=HTTP).parsebytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + content
    )
    fields: dict[str, list[str]] = {}
    files = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        raw = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(raw, bytes)
        if file_name := part.get_filename():
            files.append((name, file_name, part.get_content_type(), raw))
        else:
            fields.setdefault(name, []).append(raw.decode())
    return fields, tuple(files)


@asynccontextmanager
async def faulty_server(fault: Fault) -> AsyncIterator[FaultyServer]:
    """A server that listens; leaving closes it and every connection."""
    server = FaultyServer(fault)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def frame(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chunk(content: str | None = None, **choice: Any) -> bytes:
    """A chunk that is valid both in chat and in a completion."""
    delta = {} if content is None else {"content": content}
    return frame({"choices": [{"index": 0, "delta": delta, "text": content, **choice}]})


async def answers(peer: Peer, request: ReceivedRequest) -> None:
    """A whole answer: "good day"."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    await peer.send(HEAD + chunk("good ") + chunk("day") + chunk(finish_reason="stop"))
    await peer.send(frame({"choices": [], "usage": usage}) + b"data: [DONE]\n\n")


async def hangs_up(peer: Peer, request: ReceivedRequest) -> None:
    return


async def resets(peer: Peer, request: ReceivedRequest) -> None:
    peer.reset()


async def stays_silent(peer: Peer, request: ReceivedRequest) -> None:
    await peer.disconnected()


async def fails(peer: Peer, request: ReceivedRequest) -> None:
    await peer.answer(500, b'{"error": {"message": "out of memory"}}')


async def is_overloaded(peer: Peer, request: ReceivedRequest) -> None:
    await peer.answer(503, b'{"error": "busy"}', retry_after="3")


async def limits_the_rate(peer: Peer, request: ReceivedRequest) -> None:
    await peer.answer(429, b'{"error": {"message": "slow down"}}', retry_after="7")


async def refuses_the_key(peer: Peer, request: ReceivedRequest) -> None:
    await peer.answer(401, b'{"error": {"message": "Incorrect API key provided: sk-secret"}}')


async def refuses_the_request(peer: Peer, request: ReceivedRequest) -> None:
    await peer.answer(400, b'{"detail": "no such thing"}')


async def redirects(peer: Peer, request: ReceivedRequest) -> None:
    await peer.answer(302, b"", location="http://127.0.0.1:1/v1")


async def sends_a_web_page(peer: Peer, request: ReceivedRequest) -> None:
    await peer.answer(200, b"<html><body>Welcome!</body></html>", content_type="text/html")


async def sends_broken_json(peer: Peer, request: ReceivedRequest) -> None:
    await peer.send(HEAD + b'data: {"choices": [}\n\n')


async def sends_half_an_event(peer: Peer, request: ReceivedRequest) -> None:
    await peer.send(HEAD + b'data: {"choices": [{"delta": {"cont')


async def sends_a_call_without_a_name(peer: Peer, request: ReceivedRequest) -> None:
    call = {"index": 0, "id": "a", "function": {"arguments": "{}"}}
    await peer.send(HEAD + chunk(delta={"tool_calls": [call]}))


async def ends_before_the_text(peer: Peer, request: ReceivedRequest) -> None:
    await peer.send(HEAD + chunk(delta={"role": "assistant", "content": ""}))


async def ends_after_the_start(peer: Peer, request: ReceivedRequest) -> None:
    await peer.send(HEAD + chunk("good "))


async def breaks_off_after_the_start(peer: Peer, request: ReceivedRequest) -> None:
    await peer.send(HEAD.replace(b"Connection: close", b"Content-Length: 999") + chunk("good "))


async def sends_nonsense_after(peer: Peer, request: ReceivedRequest) -> None:
    await peer.send(HEAD + chunk("good ") + b"data: nonsense\n\n")


async def falls_silent(peer: Peer, request: ReceivedRequest) -> None:
    await peer.send(HEAD + chunk("good "))
    await peer.disconnected()


async def sends_an_error(peer: Peer, request: ReceivedRequest) -> None:
    await peer.send(HEAD + frame({"error": {"message": "CUDA is gone", "code": 500}}))


async def sends_single_bytes(peer: Peer, request: ReceivedRequest) -> None:
    """Sends a byte now and then, and never an event."""
    await peer.send(HEAD + b"data: ")
    left = asyncio.create_task(peer.disconnected())
    while not left.done():
        await peer.send(b"x")
        await asyncio.wait({left}, timeout=0.02)


async def never_ends_a_line(peer: Peer, request: ReceivedRequest) -> None:
    await peer.send(HEAD + b"data: ")
    while True:
        await peer.send(b"x" * (1 << 16))


async def never_ends_an_error(peer: Peer, request: ReceivedRequest) -> None:
    await peer.send(b"HTTP/1.1 500 No\r\nConnection: close\r\n\r\n")
    while True:
        await peer.send(b"x" * (1 << 16))
