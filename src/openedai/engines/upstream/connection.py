"""HTTP with one replica: bounded in time and memory, and closed at once when the caller is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec

from openedai.engines.upstream.answers.sse import EventParser, EventTooLong, is_done
from openedai.engines.upstream.failures import Failures
from openedai.engines.upstream.options import UpstreamOptions
from openedai.engines.upstream.replicas.replicas import Replica
from openedai.engines.upstream.request import UpstreamRequest

if TYPE_CHECKING:
    import aiohttp

_ERROR_BYTES = 64 << 10  # of a body that describes an error
_DRAIN_TIMEOUT = 0.25  # seconds for the rest of a body whose last event was read


class Disconnected(Exception):
    """An idle connection turned out to be closed: the request can be sent again."""


class Timeout:
    """A deadline, `seconds` after it was made."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._deadline = asyncio.get_running_loop().time() + seconds

    def scope(self) -> asyncio.Timeout:
        """A context that raises TimeoutError at the deadline."""
        return asyncio.timeout_at(self._deadline)


@dataclass(frozen=True)
class Connections:
    """Sends requests to replicas. It raises only APIError, ReplicaFailed and Disconnected."""

    session: aiohttp.ClientSession
    options: UpstreamOptions
    failures: Failures

    @asynccontextmanager
    async def send(
        self, replica: Replica, request: UpstreamRequest, timeout: Timeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer with status 200; leaving closes its connection unless it was read whole."""
        import aiohttp

        trace = SimpleNamespace(reused=False)
        try:
            async with timeout.scope():
                response = await self.session.request(
                    "GET" if request.body is None else "POST",
                    replica.url / request.path,
                    data=None if request.body is None else msgspec.json.encode(request.body),
                    allow_redirects=False,
                    trace_request_ctx=trace,
                )
        except aiohttp.ServerDisconnectedError as error:
            if trace.reused:
                raise Disconnected from error
            raise self.failures.broken("closed the connection without an answer") from error
        except aiohttp.ConnectionTimeoutError as error:
            raise self.failures.unreachable() from error
        except TimeoutError as error:
            raise self.failures.timed_out(timeout.seconds) from error
        except aiohttp.ClientConnectorError as error:
            raise self.failures.unreachable() from error
        except OSError as error:
            if trace.reused:
                raise Disconnected from error
            raise self.failures.broken("broke the connection off") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise self.failures.broken("did not answer in HTTP") from error
        try:
            if response.status != 200:
                body = await self._error_body(response)
                retry_after = response.headers.get("retry-after")
                raise self.failures.of_answer(response.status, body, retry_after, request.param)
            yield response
        finally:
            response.close()

    async def events(
        self, response: aiohttp.ClientResponse, timeout: Timeout
    ) -> AsyncGenerator[bytes, None]:
        """The data of each event of a stream, up to its end or to `[DONE]`.

        `timeout` is for the first event; each line after it has `idle_timeout` seconds.
        """
        if "event-stream" not in response.headers.get("content-type", ""):
            body = await self._error_body(response)
            raise self._not_a_stream(body)
        parser, lines, started = EventParser(), 0, False
        while chunk := await self._read_chunk(response, timeout, started=started):
            try:
                events = parser.feed(chunk)
            except EventTooLong as error:
                raise self.failures.broken("sent an event without an end") from error
            for event in events:
                if is_done(event):
                    await _drain(response)
                    return
                started = True
                yield event
            if started and parser.lines > lines:
                timeout = Timeout(self.options.idle_timeout)
            lines = parser.lines
        for event in parser.end():
            if not is_done(event):
                yield event

    async def body(self, response: aiohttp.ClientResponse, timeout: Timeout, limit: int) -> bytes:
        """The whole body, of at most `limit` bytes."""
        chunks, size = [], 0
        while chunk := await self._read_chunk(response, timeout, started=False):
            size += len(chunk)
            if size > limit:
                raise self.failures.broken("sent an answer without an end")
            chunks.append(chunk)
        return b"".join(chunks)

    async def _read_chunk(
        self, response: aiohttp.ClientResponse, timeout: Timeout, *, started: bool
    ) -> bytes:
        """The bytes that have arrived; empty at the end of the body."""
        import aiohttp

        try:
            async with timeout.scope():
                return await response.content.readany()
        except TimeoutError as error:
            if started:
                what = f"said nothing for {timeout.seconds:g} seconds"
                raise self.failures.broken(what) from error
            raise self.failures.timed_out(timeout.seconds) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self.failures.broken("broke its answer off") from error

    async def _error_body(self, response: aiohttp.ClientResponse) -> bytes:
        """At most `_ERROR_BYTES` of a body, as far as they arrive within `connect_timeout`."""
        import aiohttp

        body = b""
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(self.options.connect_timeout):
                while len(body) < _ERROR_BYTES and (chunk := await response.content.readany()):
                    body += chunk
        return body[:_ERROR_BYTES]

    def _not_a_stream(self, body: bytes) -> Exception:
        """Some servers report errors with status 200."""
        with contextlib.suppress(msgspec.DecodeError):
            value: Any = msgspec.json.decode(body)
            if isinstance(value, dict) and value.get("error"):
                return self.failures.of_event(value, "messages")
        return self.failures.broken("answered with something that is no stream of events")


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read to the end of the body, so that the connection can be reused."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_DRAIN_TIMEOUT):
            while await response.content.readany():
                pass


def make_session(options: UpstreamOptions, headers: dict[str, str]) -> aiohttp.ClientSession:
    """A session for all replicas. It does not limit connections: the model pool does."""
    import aiohttp

    async def reused(session: Any, context: SimpleNamespace, params: Any) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx.reused = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reused)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=options.connect_timeout),
        headers={"Content-Type": "application/json", **headers},
        auto_decompress=False,
        trace_configs=[trace],
        trust_env=False,
    )
