"""Sends bytes of a known length, whole or the part that the header Range asks for."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from openedai.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,19})-(?P<last>[0-9]{0,19})", re.IGNORECASE)

Read = Callable[[int, int], AsyncGenerator[bytes, None]]


async def ranged_response(
    request: Request, size: int, etag: str, read: Read, headers: Mapping[str, str]
) -> Response:
    """The response; `read` gives the bytes from a start up to an end, exclusive.

    A header Range that is not understood, or has several ranges, is ignored, as HTTP has it. Raises
    RangeNotSatisfiable, and what fails before the first byte.
    """
    part = _range(request, size, etag)
    start, end = part or (0, size)
    headers = {
        **headers,
        "accept-ranges": "bytes",
        "etag": etag,
        "content-length": f"{end - start}",
    }
    if part is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    status = 200 if part is None else 206
    if start == end:
        return Response(b"", status, headers)
    chunks = read(start, end)
    try:
        first = await anext(chunks)
    except BaseException:
        await chunks.aclose()
        raise
    return _Bytes(status, headers, first, chunks)


def _range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    header = request.headers.get("range", "").replace(" ", "")
    match = _RANGE.fullmatch(header)
    if match is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = match["first"], match["last"]
    if not first + last or (first and last and int(last) < int(first)):
        return None
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if start >= size:
        raise RangeNotSatisfiable(size)
    return start, end


class _Bytes(Response):
    """If reading fails, the connection is closed, so that the client sees that something is
    missing.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        first: bytes,
        rest: AsyncGenerator[bytes, None],
    ) -> None:
        super().__init__(None, status, headers)
        self.first = first
        self.rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        async with aclosing(self.rest):
            await send({**start, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self.first, "more_body": True})
            async for chunk in self.rest:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
