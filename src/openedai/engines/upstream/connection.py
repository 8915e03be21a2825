"""The streams of events that an upstream answers with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from yarl import URL

from openedai.engines.remote.connection import Connections, Disconnected, Timeout, make_session
from openedai.engines.remote.failures import ReplicaFailed
from openedai.engines.remote.options import NO_COMPRESSION
from openedai.engines.remote.replicas import Replica
from openedai.engines.upstream.answers.problems import MalformedAnswer, ReportedError
from openedai.engines.upstream.answers.sse import MAX_EVENT, EventParser, EventTooLong, is_done
from openedai.errors import APIError

if TYPE_CHECKING:
    import aiohttp

_DRAIN_TIMEOUT = 0.25  # seconds for the rest of a body whose last event was read


def _ignored() -> None: ...


C = TypeVar("C", bound=ReportedError)
T = TypeVar("T")


@dataclass(frozen=True)
class Streams(Connections):
    """Connections whose answers may be streams. Times are in seconds."""

    first_byte_timeout: float
    idle_timeout: float

    async def events(
        self,
        response: aiohttp.ClientResponse,
        timeout: Timeout,
        limit: int = MAX_EVENT,
        done: Callable[[], None] = _ignored,
    ) -> AsyncGenerator[bytes, None]:
        """The data of each event of a stream, up to its end or to `[DONE]`, at which `done` is
        called.

        `timeout` is for the first event; each line after it has `idle_timeout` seconds. An event
        has at most `limit` bytes.
        """
        if not is_stream(response):
            body = await self.error_body(response)
            raise self._not_as_expected(body, "messages", "is no stream of events")
        parser, lines, started = EventParser(limit), 0, False
        while chunk := await self.read_chunk(response, timeout, started=started):
            try:
                events = parser.feed(chunk)
            except EventTooLong as error:
                raise self.failures.broken("sent an event without an end") from error
            for event in events:
                if is_done(event):
                    done()
                    await _drain(response)
                    return
                started = True
                yield event
            if started and parser.lines > lines:
                timeout = Timeout(self.idle_timeout)
            lines = parser.lines
        for event in parser.end():
            if is_done(event):
                done()
            else:
                yield event

    async def bytes_of(
        self, response: aiohttp.ClientResponse, timeout: Timeout
    ) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. `timeout` is for the first bytes; all others have `idle_timeout`
        seconds each.
        """
        started = False
        while chunk := await self.read_chunk(response, timeout, started=started):
            yield chunk
            timeout, started = Timeout(self.idle_timeout), True

    async def download(self, replica: Replica, url: str, timeout: Timeout, limit: int) -> bytes:
        """The file at a URL that the replica gave. Keys are sent to the replica itself only."""
        try:
            address = replica.url.join(URL(url))
            if address.origin() == replica.url.origin():
                async with self.exchange("GET", address, timeout, "") as response:
                    return await self.body(response, timeout, limit)
            async with make_session(self.connect_timeout, NO_COMPRESSION) as session:
                stranger = replace(self, session=session, trace={})
                async with stranger.exchange("GET", address, timeout, "") as response:
                    return await self.body(response, timeout, limit)
        except (ReplicaFailed, Disconnected, APIError, ValueError) as error:
            failed = self.failures.broken("answered with a URL that cannot be fetched")
            raise ReplicaFailed(failed.error, down=False) from error

    async def chunks(
        self,
        response: aiohttp.ClientResponse,
        timeout: Timeout,
        type: type[C],
        param: str,
        limit: int = MAX_EVENT,
        done: Callable[[], None] = _ignored,
    ) -> AsyncGenerator[C, None]:
        """The events of a stream as values. Raises the error that one of them reports.

        `done` is called if the server says that the stream has ended.
        """
        decoder = msgspec.json.Decoder(type)
        async with aclosing(self.events(response, timeout, limit, done)) as events:
            async for event in events:
                with self.reading():
                    chunk = decoder.decode(event)
                if chunk.error or chunk.object == "error":
                    raise self.failures.of_event(msgspec.json.decode(event), param)
                yield chunk

    async def answer(
        self,
        response: aiohttp.ClientResponse,
        timeout: Timeout,
        type: type[C],
        param: str,
        done: Callable[[], None],
    ) -> AsyncGenerator[C, None]:
        """The chunks of an answer, which is one chunk if the server does not stream."""
        if is_stream(response) or "json" not in response.headers.get("content-type", ""):
            async with aclosing(self.chunks(response, timeout, type, param, done=done)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        body = await self.body(response, timeout, MAX_EVENT)
        whole = self.decode(body, type, param)
        if whole.error or whole.object == "error":
            raise self.failures.of_event(msgspec.json.decode(body), param)
        yield whole
        done()

    def decode(self, body: bytes, type: type[T], param: str) -> T:
        """A whole answer as a value. Some servers report errors with status 200."""
        try:
            return msgspec.json.decode(body, type=type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._not_as_expected(body, param, "cannot be read") from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Raise ReplicaFailed for errors in reading an answer."""
        try:
            yield
        except MalformedAnswer as error:
            raise self.failures.broken(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self.failures.broken("answered with something that cannot be read") from error

    def _not_as_expected(self, body: bytes, param: str, what: str) -> Exception:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            value: Any = msgspec.json.decode(body)
            if isinstance(value, dict) and value.get("error"):
                return self.failures.of_event(value, param)
        return self.failures.broken(f"answered with something that {what}")


def is_stream(response: aiohttp.ClientResponse) -> bool:
    """Whether the answer is a stream of events."""
    return "event-stream" in response.headers.get("content-type", "")


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read to the end of the body, so that the connection can be reused."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_DRAIN_TIMEOUT):
            while await response.content.readany():
                pass
