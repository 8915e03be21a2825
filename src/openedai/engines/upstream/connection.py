"""HTTP with one replica: bounded in time and in memory, and cut at once when nobody listens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec

from openedai.engines.upstream.answers.sse import EventParser, TooLong, is_done
from openedai.engines.upstream.failures import Failures
from openedai.engines.upstream.options import UpstreamOptions
from openedai.engines.upstream.replicas.replicas import Replica
from openedai.engines.upstream.request import Call

if TYPE_CHECKING:
    import aiohttp

_ERROR_BYTES = 64 << 10
_LINGER = 0.25  # seconds for the end of a body whose last event was read


class Disconnected(Exception):
    """An idle connection turned out to be closed: nothing was asked yet."""


class Timeout:
    """The end of waiting, in the loop's time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.until = asyncio.get_running_loop().time() + seconds

    def scope(self) -> asyncio.Timeout:
        return asyncio.timeout_at(self.until)


@dataclass(frozen=True)
class Connections:
    """Opens answers of replicas. Everything it raises is an APIError, a ReplicaFailed or
    Disconnected.
    """

    session: aiohttp.ClientSession
    options: UpstreamOptions
    failures: Failures

    @asynccontextmanager
    async def ask(
        self, replica: Replica, call: Call, timeout: Timeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer with the status 200; leaving closes its connection unless it was read whole."""
        import aiohttp

        trace = SimpleNamespace(reused=False)
        try:
            async with timeout.scope():
                response = await self.session.request(
                    "GET" if call.body is None else "POST",
                    replica.url / call.path,
                    data=None if call.body is None else msgspec.json.encode(call.body),
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
            raise self.failures.silent(timeout.seconds) from error
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
                body = await self._beginning(response)
                retry_after = response.headers.get("retry-after")
                raise self.failures.of_answer(response.status, body, retry_after, call.param)
            yield response
        finally:
            response.close()

    async def events(
        self, response: aiohttp.ClientResponse, timeout: Timeout
    ) -> AsyncGenerator[bytes, None]:
        """The data of each event of a stream, up to its end or to `[DONE]`.

        `timeout` is for the first one; each line after it has `idle_timeout` seconds.
        """
        if "event-stream" not in response.headers.get("content-type", ""):
            body = await self._beginning(response)
            raise self._no_stream(body)
        parser, lines, begun = EventParser(), 0, False
        while piece := await self._piece(response, timeout, begun=begun):
            try:
                events = parser.feed(piece)
            except TooLong as error:
                raise self.failures.broken("sent an event without an end") from error
            for event in events:
                if is_done(event):
                    await _drain(response)
                    return
                begun = True
                yield event
            if begun and parser.lines > lines:
                timeout = Timeout(self.options.idle_timeout)
            lines = parser.lines
        for event in parser.end():
            if not is_done(event):
                yield event

    async def whole(self, response: aiohttp.ClientResponse, timeout: Timeout, limit: int) -> bytes:
        """The whole body, of at most `limit` bytes."""
        pieces, size = [], 0
        while piece := await self._piece(response, timeout, begun=False):
            size += len(piece)
            if size > limit:
                raise self.failures.broken("sent an answer without an end")
            pieces.append(piece)
        return b"".join(pieces)

    async def _piece(
        self, response: aiohttp.ClientResponse, timeout: Timeout, *, begun: bool
    ) -> bytes:
        """What is there now, and empty at the end."""
        import aiohttp

        try:
            async with timeout.scope():
                return await response.content.readany()
        except TimeoutError as error:
            if begun:
                said = f"said nothing for {timeout.seconds:g} seconds"
                raise self.failures.broken(said) from error
            raise self.failures.silent(timeout.seconds) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self.failures.broken("broke its answer off") from error

    async def _beginning(self, response: aiohttp.ClientResponse) -> bytes:
        """As much of a body as an error can have. What comes too slowly is left out."""
        import aiohttp

        body = b""
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(self.options.connect_timeout):
                while len(body) < _ERROR_BYTES and (piece := await response.content.readany()):
                    body += piece
        return body[:_ERROR_BYTES]

    def _no_stream(self, body: bytes) -> Exception:
        """Some servers tell of errors with the status 200."""
        with contextlib.suppress(msgspec.DecodeError):
            value: Any = msgspec.json.decode(body)
            if isinstance(value, dict) and value.get("error"):
                return self.failures.of_event(value, "messages")
        return self.failures.broken("answered with something that is no stream of events")


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read to the end of the body, which lets the connection be used again."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_LINGER):
            while await response.content.readany():
                pass


def make_session(options: UpstreamOptions, headers: dict[str, str]) -> aiohttp.ClientSession:
    """Without limits on connections: the pool of models has those."""
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
