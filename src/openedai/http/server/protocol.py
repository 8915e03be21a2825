"""uvicorn's HTTP/1.1 protocol, with limits on everything but the body, and with our own errors."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from openedai.errors import APIError, HeadersTooLarge, InvalidRequest, RequestTimeout
from openedai.http.dialect import Dialect

# How long, and how much of, a refused request is still read after its answer: unread data resets
# the connection, and a client that is still sending may then not see the answer.
LINGER_SECONDS = 2
LINGER_BYTES = 1 << 20
# The address and port of a client that connects to a Unix socket.
UNIX_CLIENT = ("unix", 0)


@dataclass(frozen=True)
class ProtocolLimits:
    """`receive_timeout` is in seconds and counts between two chunks of a request; `send_timeout`
    counts from when the client's buffers are full until it reads again. A connection may become a
    WebSocket at one of `sockets`, which are paths.
    """

    max_header_bytes: int
    receive_timeout: float
    send_timeout: float
    sockets: frozenset[bytes] = frozenset()


class LimitedProtocol(HttpToolsProtocol):
    """Refuses larger headers, and clients that stall. Trailers are ignored.

    `dialect` renders the errors: which API the client uses is not known yet.
    """

    limits: ClassVar[ProtocolLimits]
    dialect: ClassVar[Dialect]

    _other_bytes = 0  # since the last part of a body: of headers, trailers, and chunk sizes
    _in_request = False
    _in_body = False
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _to_discard: float | None = None  # bytes, of a connection that lingers

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client = self.client or UNIX_CLIENT
        self._answering = _Answering(transport.write, self._is_closing, self._close_answered)
        self._restart_deadline()

    def data_received(self, data: bytes) -> None:
        if self._to_discard is not None:
            self._discard(len(data))
            return
        self._restart_deadline()
        self._other_bytes += len(data)
        self._parse(data)
        if self._other_bytes > self.limits.max_header_bytes:
            self._refuse(
                HeadersTooLarge(
                    f"The request's headers are larger than {self.limits.max_header_bytes} bytes.",
                    code="headers_too_large",
                )
            )

    def _parse(self, data: bytes) -> None:
        """Parse as uvicorn does, except for upgrades."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            if self._opens_socket():
                self._become_socket(rest)
            else:
                self._decline_upgrade(rest)
        except httptools.HttpParserError:
            self.send_400_response("it cannot be parsed.")

    def _opens_socket(self) -> bool:
        upgrades = (value for name, value in self.headers if name == b"upgrade")
        return (
            self.parser.get_method() == b"GET"
            and self.url.partition(b"?")[0] in self.limits.sockets
            and any(value.strip().lower() == b"websocket" for value in upgrades)
        )

    def _become_socket(self, rest: bytes) -> None:
        """Hand the connection over, with the request that began it."""
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

        self._cancel_deadline()
        self.connections.discard(self)
        head = [b"GET %b HTTP/1.1" % self.url, *(b"%b: %b" % pair for pair in self.headers)]
        protocol = WebSocketsSansIOProtocol(self.config, self.server_state, self.app_state)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        protocol.data_received(b"\r\n".join([*head, b"", rest]))

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read the request again without its Upgrade: the parser takes whatever follows the headers
        for another protocol, but a client that asks for HTTP/2 also sends a body.
        """
        if self.parser.get_method() == b"CONNECT":
            self.send_400_response("this server is no proxy.")
            return
        version = self.parser.get_http_version().encode()
        head = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        head += [b"%s: %s" % pair for pair in self.headers if pair[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._parse(b"\r\n".join([*head, b"", rest]))

    def on_message_begin(self) -> None:
        self._in_request = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self.cycle.transport = self._answering  # type: ignore[assignment]
        self._in_body = True
        self._other_bytes = 0
        if self.parser.get_http_version() < "1.1":
            _send_until_close(self.cycle)

    def on_body(self, body: bytes) -> None:
        self._other_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._in_request = self._in_body = False
        self._other_bytes = 0
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
        self._deadline = self.loop.call_later(self.limits.receive_timeout, self._is_late)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cancel_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _is_late(self) -> None:
        """Whether the request is late. What came while the event loop was busy is read first."""
        self._deadline = self.loop.call_later(0, self._too_slow)

    def _too_slow(self) -> None:
        if self._in_request:
            self._refuse(RequestTimeout("The request took too long to arrive."))
        else:
            self.transport.close()

    def _refuse(self, error: APIError) -> None:
        """Answer with the error, unless another answer has begun, and close the connection."""
        if self._is_closing():
            return
        cycle = self.cycle
        if cycle is None or (
            not cycle.response_started if self._in_body else cycle.response_complete
        ):
            self.transport.write(self._raw_response(error))
        elif not cycle.response_complete:
            self.transport.close()
            return
        self._linger(LINGER_BYTES)

    def _close_answered(self) -> None:
        """Close the connection after the answer to a request that may be incomplete."""
        if self._in_request and not self._is_closing():
            self._linger(math.inf)
        else:
            self.transport.close()

    def _is_closing(self) -> bool:
        return self._to_discard is not None or self.transport.is_closing()

    def _linger(self, to_discard: float) -> None:
        """Send nothing more, but read until the client also ends the connection."""
        self._to_discard = to_discard
        self._cancel_deadline()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.close)
        self.pipeline.clear()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.flow.resume_reading()
        self.transport.write_eof()

    def _discard(self, size: int) -> None:
        assert self._to_discard is not None
        self._to_discard -= size
        if self._to_discard < 0:
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
        bodiless = self._in_request and self.parser.get_method() == b"HEAD"
        return "\r\n".join(head).encode() + (b"" if bodiless else body)


@dataclass(frozen=True, slots=True)
class _Answering:
    """The connection as answers see it: it lingers if necessary."""

    write: Callable[[bytes], None]
    is_closing: Callable[[], bool]
    close: Callable[[], None]


def _send_until_close(cycle: RequestResponseCycle) -> None:
    """Send the answer without chunks: if no length is known, closing the connection ends it."""
    send = cycle.send
    unbounded = False

    async def send_unchunked(message: Any) -> None:
        nonlocal unbounded
        if message["type"] == "http.response.start":
            unbounded = all(name.lower() != b"content-length" for name, _ in message["headers"])
            if unbounded:
                cycle.chunked_encoding = False
        elif unbounded:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    cycle.send = send_unchunked  # type: ignore[method-assign]


def limited_protocol(limits: ProtocolLimits, dialect: Dialect) -> type[LimitedProtocol]:
    """A class with these limits and errors: uvicorn creates its protocols without arguments."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits, "dialect": dialect})
