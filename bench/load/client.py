"""A cheap load client: HTTP/1.1 on asyncio's streams, which searches bytes and parses no JSON.

It runs on the cores of the servers that it measures, so it parses as little as it can.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

REQUEST_TIMEOUT = 180.0  # seconds for one request
_CHUNK_BYTES = 1 << 16
_END = b"\r\n0\r\n\r\n"  # of a chunked body
_CONTENT = re.compile(rb'"(?:content|delta)": ?"[^"]')
_ERROR = re.compile(rb'"error": ?\{')
# In chats and in responses.
_USAGE = {
    name: re.compile(rb'"(?:%s)": ?(\d+)' % names)
    for name, names in (
        ("prompt_tokens", b"prompt_tokens|input_tokens"),
        ("completion_tokens", b"completion_tokens|output_tokens"),
        ("cached_tokens", b"cached_tokens"),
    )
}


class LoadError(Exception):
    """An unexpected answer of a server; the message shows it."""


@dataclass(frozen=True)
class Target:
    """A server: its name in the tables, the base URL of its API, and the model to ask for."""

    name: str
    url: str
    model: str
    key: str = "none"

    def chat(
        self, text: str, max_tokens: int, *, stream: bool = True, system: str | None = None
    ) -> bytes:
        """The body of a greedy chat request."""
        messages = [] if system is None else [{"role": "system", "content": system}]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [*messages, {"role": "user", "content": text}],
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return json.dumps(body).encode()

    def response(
        self,
        input: str | Sequence[Mapping[str, Any]],
        max_tokens: int,
        *,
        stream: bool = False,
        store: bool = True,
        previous: str | None = None,
    ) -> bytes:
        """The body of a greedy request for a response."""
        body: dict[str, Any] = {
            "model": self.model,
            "input": input,
            "max_output_tokens": max_tokens,
            "temperature": 0,
            "store": store,
            "stream": stream,
        }
        if previous is not None:
            body["previous_response_id"] = previous
        return json.dumps(body).encode()

    def decisions(self, text: str, statements: list[str]) -> bytes:
        questions = [{"type": "predicate", "instructions": one} for one in statements]
        body = {"model": self.model, "input": text, "questions": questions}
        return json.dumps(body).encode()

    def embeddings(self, texts: list[str]) -> bytes:
        body = {"model": self.model, "input": texts, "encoding_format": "base64"}
        return json.dumps(body).encode()


@dataclass(frozen=True)
class Reply:
    """Times and counts of one request. `first` and `seconds` count from its sending, in seconds.

    `first` is the time to the first character of the answer; if the answer is empty or not
    streamed, the time to its end.
    """

    first: float
    seconds: float
    chunks: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class Connection:
    """A kept-alive connection to one target, for one request at a time."""

    def __init__(
        self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        parts = urlsplit(target.url)
        self.target = target
        self._reader = reader
        self._writer = writer
        self._base = parts.path.rstrip("/")
        self._host = parts.netloc

    @classmethod
    async def open(cls, target: Target) -> Self:
        parts = urlsplit(target.url)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        opening = asyncio.open_connection(parts.hostname, port, ssl=secure or None, limit=1 << 20)
        try:
            return cls(target, *await asyncio.wait_for(opening, 10))
        except OSError as error:
            raise LoadError(f"{target.name} cannot be reached at {target.url}: {error}") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.abort()

    def abort(self) -> None:
        """Close the connection immediately, without reading the rest."""
        self._writer.transport.abort()

    async def post(
        self, path: str, body: bytes, on_chunks: Callable[[int], None] | None = None
    ) -> Reply:
        """Send a request and read the whole answer. Raises LoadError, or TimeoutError after
        REQUEST_TIMEOUT.

        `on_chunks` is called with the number of chunks with content that arrived together.
        """
        async with asyncio.timeout(REQUEST_TIMEOUT):
            started = time.perf_counter()
            self.send(path, body)
            chunks: list[bytes] = []
            first = 0.0
            async for chunk in self._read_body():
                chunks.append(chunk)
                if not first and _CONTENT.search(chunk):
                    first = time.perf_counter() - started
                if on_chunks is not None and (count := len(_CONTENT.findall(chunk))):
                    on_chunks(count)
            seconds = time.perf_counter() - started
        answer = b"".join(chunks)
        if _ERROR.search(answer[-2000:]):
            raise LoadError(f"{self.target.name}: {answer[-500:]!r}")
        return Reply(
            first=first or seconds,
            seconds=seconds,
            chunks=len(_CONTENT.findall(answer)),
            prompt_tokens=_usage("prompt_tokens", answer),
            completion_tokens=_usage("completion_tokens", answer),
            cached_tokens=_usage("cached_tokens", answer),
        )

    async def fetch(self, path: str, body: bytes | None = None) -> bytes:
        """The body of the answer to a GET, or to a POST with this body.

        Raises LoadError, or TimeoutError after REQUEST_TIMEOUT.
        """
        async with asyncio.timeout(REQUEST_TIMEOUT):
            self.send(path, body or b"", "GET" if body is None else "POST")
            return b"".join([chunk async for chunk in self._read_body()])

    def send(self, path: str, body: bytes, method: str = "POST") -> None:
        self._writer.write(
            f"{method} {self._base}{path} HTTP/1.1\r\nhost: {self._host}\r\n"
            f"authorization: Bearer {self.target.key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )

    async def first_chunk(self) -> bytes:
        """Wait until the answer's body has begun."""
        async for chunk in self._read_body():
            if _CONTENT.search(chunk):
                return chunk
        raise LoadError(f"{self.target.name} answered nothing")

    async def _read_body(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives, with the chunk sizes left in. It has a length or chunks."""
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            status = head.split(b" ", 2)[1]
            length = re.search(rb"\r\ncontent-length: *(\d+)", head)
            if length:
                body = await self._reader.readexactly(int(length[1]))
                self._check(status, body)
                yield body
                return
            last = b"\r\n"
            while not last.endswith(_END):
                chunk = await self._reader.read(_CHUNK_BYTES)
                if not chunk:
                    raise ConnectionError("in the middle of its answer")
                self._check(status, chunk)
                last = last[-len(_END) :] + chunk
                yield chunk
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise LoadError(f"{self.target.name} closed the connection: {error}") from error

    def _check(self, status: bytes, body: bytes) -> None:
        if status != b"200":
            raise LoadError(f"{self.target.name} answered {status.decode()}: {body[:500]!r}")


async def post_many(
    target: Target, path: str, body: bytes, requests: int, streams: int
) -> tuple[list[Reply], float]:
    """Send the same request repeatedly over some kept-alive connections. Returns replies and
    seconds.
    """

    async def some(connection: Connection) -> list[Reply]:
        return [await connection.post(path, body) for _ in range(requests // streams)]

    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(await Connection.open(target)) for _ in range(streams)
        ]
        started = time.perf_counter()
        replies = await asyncio.gather(*(some(connection) for connection in connections))
        seconds = time.perf_counter() - started
    return [reply for some_replies in replies for reply in some_replies], seconds


async def post(target: Target, path: str, body: bytes) -> Reply:
    """Send one request on its own connection, which is opened before the time starts."""
    async with await Connection.open(target) as connection:
        return await connection.post(path, body)


def _usage(name: str, answer: bytes) -> int:
    found = _USAGE[name].findall(answer[-2000:])
    return int(found[-1]) if found else 0
