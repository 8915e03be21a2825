"""Values, errors and streams as responses: the only place where an exception becomes an answer."""

from __future__ import annotations

import asyncio
import errno
import logging
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from openedai.errors import DISK_FULL, APIError, Unavailable
from openedai.http.exchange import Exchange

log = logging.getLogger("openedai.http")

_SHORTAGES = {
    **dict.fromkeys(DISK_FULL, "its disk is full"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "it has too many open files and connections"),
}

_encode = msgspec.json.Encoder().encode


def json_response(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(_encode(value), status, headers, media_type="application/json")


def error_response(error: Exception, exchange: Exchange) -> Response:
    """The error in the client's dialect, with headers that say when to retry."""
    api_error = as_api_error(error).renamed(exchange.parameter_names)
    headers = {}
    if api_error.retry_after is not None:
        milliseconds = math.ceil(round(api_error.retry_after * 1000, 3))
        headers["retry-after"] = str(math.ceil(milliseconds / 1000))
        headers["retry-after-ms"] = str(milliseconds)
    if not api_error.retryable:
        headers["x-should-retry"] = "false"
    if api_error.status == 401:
        headers["www-authenticate"] = 'Bearer realm="OpenedAI"'
    body = exchange.dialect.error_body(api_error, exchange.id)
    return json_response(body, status=api_error.status, headers=headers)


def shutting_down() -> Unavailable:
    """The error of a request that is cut short because the server stops."""
    return Unavailable("The server is shutting down.")


def as_api_error(error: Exception) -> APIError:
    """The error for the client: an APIError as it is, and no internals of any other."""
    if isinstance(error, APIError):
        return error
    if isinstance(error, OSError) and (why := _SHORTAGES.get(error.errno or 0)):
        log.error("a request failed: %s", error)
        return Unavailable(f"The server cannot process your request now: {why}.", retry_after=60)
    log.error("a request failed unexpectedly", exc_info=error)
    return APIError("The server had an error while processing your request.")


def data_frame(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + _encode(value) + b"\n\n"


def named_frame(name: bytes, value: Any) -> bytes:
    """One server-sent event with a name."""
    return b"event: %b\ndata: %b\n\n" % (name, _encode(value))


class TextFrames:
    """Frames that differ in one text only; everything else is encoded once.

    `frame` is one of them with an empty text, which is the member with this name.
    """

    def __init__(self, frame: bytes, name: str) -> None:
        self._head, self._tail = frame.split(f'"{name}":""'.encode(), 1)
        self._head += f'"{name}":'.encode()

    def frame(self, text: str) -> bytes:
        """The frame with this text."""
        return self._head + _encode(text) + self._tail


def json_line(value: Any) -> bytes:
    """One line of a stream of JSON."""
    return _encode(value) + b"\n"


class EventStream(Response):
    """A stream of frames. It always closes `rest`, even when the client leaves."""

    def __init__(
        self,
        exchange: Exchange,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        headers = {"cache-control": "no-cache", **(headers or {})}
        super().__init__(headers=headers, media_type=exchange.dialect.media_type)
        del self.headers["content-length"]
        self.exchange = exchange
        self.first = first
        self.rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.rest):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            exchange = self.exchange
            write = exchange.send or send
            exchange.bytes_out += len(self.first)
            await write(_chunk(self.first))
            try:
                async for frame in self.rest:
                    exchange.bytes_out += len(frame)
                    await write(_chunk(frame))
            except asyncio.CancelledError:
                await self._stop(send)
                raise
            except Exception as error:
                await self._fail(send, error)
            else:
                await self._end(send)

    async def _stop(self, send: Send) -> None:
        await self._fail(send, self.exchange.cancelled or shutting_down())

    async def _fail(self, send: Send, error: Exception) -> None:
        exchange = self.exchange
        api_error = as_api_error(error).renamed(exchange.parameter_names)
        await self._end(send, exchange.dialect.error_frame(api_error, exchange.id))

    async def _end(self, send: Send, last: bytes = b"") -> None:
        await send({"type": "http.response.body", "body": last, "more_body": False})


class FileStream(EventStream):
    """The bytes of a file as they are made.

    They cannot contain an error. If one occurs, the answer is not ended, so that its connection is
    closed and the client sees that the file is incomplete.
    """

    def __init__(
        self,
        exchange: Exchange,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__(exchange, first, rest, headers)
        self.headers["content-type"] = media_type

    async def _stop(self, send: Send) -> None:
        pass

    async def _fail(self, send: Send, error: Exception) -> None:
        log.error("%s broke off: %s", self.exchange.id, as_api_error(error).message)


def _chunk(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def first_frame(frames: AsyncGenerator[bytes, None]) -> bytes:
    """The first frame, awaited before the response commits to a 200.

    A failure before it is raised here and keeps its own status.
    """
    try:
        return await anext(frames)
    except BaseException:
        await frames.aclose()
        raise
