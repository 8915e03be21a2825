"""uvicorn's HTTP/1.1 protocol with limits on what comes before the body, and our own errors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from openedai.errors import APIError, HeadersTooLarge, InvalidRequest, RequestTimeout
from openedai.http.dialect import Dialect


@dataclass(frozen=True)
class ProtocolLimits:
    """`receive_timeout` is in seconds and counts between two chunks of a request; `send_timeout`
    counts from when the client's buffers are full until it reads again.
    """

    max_header_bytes: int
    receive_timeout: float
    send_timeout: float


class LimitedProtocol(HttpToolsProtocol):
    """Refuses larger headers, and clients that stall.

    `dialect` renders the errors: which API the client uses is not known yet.
    """

    limits: ClassVar[ProtocolLimits]
    dialect: ClassVar[Dialect]

    _head_bytes = 0
    _in_request = False
    _in_body = False
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._restart_deadline()

    def data_received(self, data: bytes) -> None:
        self._restart_deadline()
        if not self._in_body:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_body and self._head_bytes > self.limits.max_header_bytes:
            self._refuse(
                HeadersTooLarge(
                    f"The request's headers are larger than {self.limits.max_header_bytes} bytes.",
                    code="headers_too_large",
                )
            )

    def on_message_begin(self) -> None:
        self._in_request = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_request = self._in_body = False
        self._head_bytes = 0
        self._cancel_deadline()
        super().on_message_complete()

    def pause_writing(self) -> None:
        self._stalled = self.loop.call_later(self.limits.send_timeout, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._cancel_stalled()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._cancel_stalled()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self._refuse(InvalidRequest(f"The request is not valid HTTP: {msg}"))

    def _restart_deadline(self) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(self.limits.receive_timeout, self._too_slow)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cancel_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _too_slow(self) -> None:
        if self._in_request:
            self._refuse(RequestTimeout("The request took too long to arrive."))
        else:
            self.transport.close()

    def _refuse(self, error: APIError) -> None:
        if not self.transport.is_closing():
            self.transport.write(self._raw_response(error))
            self.transport.close()

    def _raw_response(self, error: APIError) -> bytes:
        body: bytes = msgspec.json.encode(self.dialect.error_body(error, ""))
        head: list[Any] = [
            f"HTTP/1.1 {error.status} Error",
            "content-type: application/json",
            f"content-length: {len(body)}",
            "connection: close",
            "",
            "",
        ]
        return "\r\n".join(head).encode() + body


def limited_protocol(limits: ProtocolLimits, dialect: Dialect) -> type[LimitedProtocol]:
    """A class with these limits and errors: uvicorn creates its protocols without arguments."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits, "dialect": dialect})
