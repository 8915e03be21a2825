"""HTTP with a replica: bounded in time and memory, and closed immediately when the caller is
gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Container, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
from yarl import URL

from openedai.engines.remote.failures import Failures
from openedai.engines.remote.form import Form, form_data
from openedai.engines.remote.replicas import Replica

if TYPE_CHECKING:
    import aiohttp

_ERROR_BYTES = 64 << 10  # of a body that describes an error


class Disconnected(Exception):
    """An idle connection turned out to be closed; the request can be sent again."""


@dataclass(frozen=True)
class RemoteRequest:
    """A POST of `body` as JSON, or of `form`, to another server; without either, a GET. Errors
    whose answer names no parameter name `param`.
    """

    path: str
    body: dict[str, Any] | None
    param: str
    query: Mapping[str, str] | None = None
    form: Form | None = None


class Timeout:
    """A deadline, `seconds` after this was made."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._deadline = asyncio.get_running_loop().time() + seconds

    def scope(self) -> asyncio.Timeout:
        """A context that raises TimeoutError at the deadline."""
        return asyncio.timeout_at(self._deadline)


@dataclass(frozen=True)
class Connections:
    """Sends requests to replicas. It raises only APIError, ReplicaFailed and Disconnected.

    `trace` are extra headers for requests that a client waits for.
    """

    session: aiohttp.ClientSession
    failures: Failures
    connect_timeout: float
    trace: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    @asynccontextmanager
    async def send(
        self,
        replica: Replica,
        request: RemoteRequest,
        timeout: Timeout,
        *,
        accepted: Container[int] = (200,),
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer with an accepted status. Leaving closes its connection, unless the answer was
        read to its end.
        """
        with ExitStack() as cleanup:
            options = {"params": request.query, **_content(request, cleanup)}
            options["headers"] = {**options.get("headers", {}), **self.trace}
            method, url = "POST" if "data" in options else "GET", replica.url / request.path
            exchange = self.exchange(
                method, url, timeout, request.param, accepted=accepted, **options
            )
            async with exchange as response:
                yield response

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        url: URL,
        timeout: Timeout,
        param: str,
        *,
        accepted: Container[int] = (200,),
        **options: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer of any URL, as in `send`. `options` are those of aiohttp."""
        response = await self._response(method, url, timeout, **options)
        try:
            if response.status not in accepted:
                body = await self.error_body(response)
                retry_after = response.headers.get("retry-after")
                raise self.failures.of_answer(response.status, body, retry_after, param)
            yield response
        finally:
            response.close()

    async def _response(
        self, method: str, url: URL, timeout: Timeout, **options: Any
    ) -> aiohttp.ClientResponse:
        import aiohttp

        trace = SimpleNamespace(reused=False)
        try:
            async with timeout.scope():
                return await self.session.request(
                    method, url, allow_redirects=False, trace_request_ctx=trace, **options
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

    async def body(self, response: aiohttp.ClientResponse, timeout: Timeout, limit: int) -> bytes:
        """The whole body, of at most `limit` bytes."""
        chunks, size = [], 0
        while chunk := await self.read_chunk(response, timeout, started=False):
            size += len(chunk)
            if size > limit:
                raise self.failures.broken("sent an answer without an end")
            chunks.append(chunk)
        return b"".join(chunks)

    async def read_chunk(
        self, response: aiohttp.ClientResponse, timeout: Timeout, *, started: bool
    ) -> bytes:
        """The bytes that have arrived; empty at the end of the body."""
        import aiohttp

        try:
            async with timeout.scope():
                return await response.content.readany()
        except TimeoutError as error:
            if started:
                what = f"sent nothing for {timeout.seconds:g} seconds"
                raise self.failures.broken(what) from error
            raise self.failures.timed_out(timeout.seconds) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self.failures.broken("broke its answer off") from error

    async def error_body(self, response: aiohttp.ClientResponse) -> bytes:
        """At most `_ERROR_BYTES` of a body, as far as they arrive within `connect_timeout`."""
        import aiohttp

        body = b""
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(self.connect_timeout):
                while len(body) < _ERROR_BYTES and (chunk := await response.content.readany()):
                    body += chunk
        return body[:_ERROR_BYTES]


def _content(request: RemoteRequest, cleanup: ExitStack) -> dict[str, Any]:
    """The body as aiohttp takes it; empty without one. `cleanup` closes its files."""
    if request.form is not None:
        return {"data": form_data(request.form, cleanup)}
    if request.body is None:
        return {}
    headers = {"Content-Type": "application/json"}
    return {"data": msgspec.json.encode(request.body), "headers": headers}


def make_session(connect_timeout: float, headers: Mapping[str, str]) -> aiohttp.ClientSession:
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
        timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout),
        headers=headers,
        auto_decompress=False,
        trace_configs=[trace],
        trust_env=False,
    )
