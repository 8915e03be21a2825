"""The outermost layer of every request, whatever its outcome.

It gives each request an id, a time, a log line and, if something fails, an answer in the client's
dialect. When the client leaves, the task that serves the request is cancelled, and closes
everything that it holds on the way out.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openedai.http.dialect import Dialect
from openedai.http.exchange import Exchange
from openedai.http.respond import error_response, shutting_down

log = logging.getLogger("openedai.access")

# Polled by what watches the server: of no interest in the log while all is well.
_POLLED = frozenset({"/health", "/metrics"})

CLIENT_LEFT = 499  # nginx's status for it; only logged and counted

RawHeaders = Iterable[tuple[bytes, bytes]]


class Envelope:
    """`dialect_of` returns the API that a request is in, `headers_of` the headers of its answer.

    `on_begin` is called for each exchange, `on_end` once for each that has finished, with the
    matched route's path.
    """

    def __init__(
        self,
        app: ASGIApp,
        dialect_of: Callable[[Scope], Dialect],
        headers_of: Callable[[Exchange], RawHeaders],
        on_end: Callable[[Exchange, str], None],
        on_begin: Callable[[Exchange], None],
    ) -> None:
        self.app = app
        self.dialect_of = dialect_of
        self.headers_of = headers_of
        self.on_end = on_end
        self.on_begin = on_begin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(
            id=_new_id(),
            method=scope["method"],
            path=scope["path"],
            dialect=self.dialect_of(scope),
            send=send,
            task=asyncio.current_task(),
            request_headers=scope["headers"],
        )
        scope["exchange"] = exchange
        self.on_begin(exchange)
        connection = _Connection(exchange, self.headers_of, receive, send)
        try:
            await self.app(scope, connection.receive, connection.send)
        except asyncio.CancelledError:
            if connection.client_left:
                exchange.status = CLIENT_LEFT
            elif exchange.status == 0:
                await connection.fail(scope, exchange.cancelled or shutting_down())
        except Exception as error:
            await connection.fail(scope, error)
        finally:
            connection.close()
            self._finish(exchange, getattr(scope.get("route"), "path", "unmatched"))

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket is an exchange, and each request on it is a separate one."""
        exchange = Exchange(_new_id(), "GET", scope["path"], self.dialect_of(scope))
        exchange.request_headers = scope["headers"]
        scope["exchange"] = exchange
        scope["exchanges"] = Exchanges(exchange, self.on_begin, self._finish)
        self.on_begin(exchange)

        async def send_on(message: Message) -> None:
            if message["type"] == "websocket.accept":
                exchange.status = 101
                message.setdefault("headers", []).extend(self.headers_of(exchange))
            elif message["type"] == "websocket.http.response.start":
                exchange.status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        finally:
            self._finish(exchange, scope["path"] if exchange.status == 101 else "unmatched")

    def _finish(self, exchange: Exchange, route: str) -> None:
        exchange.cleanup.close()
        self.on_end(exchange, route)
        _log(exchange)


def _new_id() -> str:
    return f"req_{secrets.token_hex(16)}"


class Exchanges:
    """The exchanges on one WebSocket."""

    def __init__(
        self,
        connection: Exchange,
        begin: Callable[[Exchange], None],
        finish: Callable[[Exchange, str], None],
    ) -> None:
        self._connection = connection
        self._begin = begin
        self._finish = finish

    @contextmanager
    def new(self) -> Iterator[Exchange]:
        """A new exchange of the connection's caller. Its `status` has to be set before the end."""
        connection = self._connection
        exchange = replace(
            connection,
            id=_new_id(),
            status=0,
            task=asyncio.current_task(),
            uses={},
            tools=[],
            charges={},
            started=time.perf_counter(),
            cleanup=ExitStack(),
        )
        self._begin(exchange)
        try:
            yield exchange
        finally:
            self._finish(exchange, exchange.path)


class _Connection:
    """The connection of one exchange; cancels its task when the client leaves."""

    def __init__(
        self,
        exchange: Exchange,
        headers_of: Callable[[Exchange], RawHeaders],
        receive: Receive,
        send: Send,
    ) -> None:
        self.exchange = exchange
        self.client_left = False
        self._headers_of = headers_of
        self._receive = receive
        self._send = send
        self._done = False
        self._watcher: asyncio.Task[None] | None = None
        self._serving = asyncio.current_task()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.exchange.bytes_in += len(message.get("body", b""))
            if not message.get("more_body", False):
                self._start_watching()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start(message)
        else:
            self.exchange.bytes_out += len(message.get("body", b""))
            self._done = not message.get("more_body", False)
        await self._send(message)

    async def fail(self, scope: Scope, error: Exception) -> None:
        """Answer with the error. If an answer has already begun, close the connection instead."""
        if self.exchange.status == 0:
            response = error_response(error, self.exchange)
            await response(scope, self.receive, self.send)
        else:
            log.error("%s broke off", self.exchange.id, exc_info=error)
            raise error

    def close(self) -> None:
        self._done = True
        if self._watcher is not None:
            self._watcher.cancel()

    def _start(self, message: Message) -> None:
        exchange = self.exchange
        exchange.status = message["status"]
        headers = message.setdefault("headers", [])
        if self._watcher is None and all(name != b"content-length" for name, _ in headers):
            self._start_watching()  # a stream, for a request whose body nobody reads
        headers.extend(self._headers_of(exchange))
        if (limits := exchange.rate_limits) is not None:
            headers.extend(exchange.dialect.rate_limit_headers(limits.read()))

    def _start_watching(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._done and self._serving is not None:
            self.client_left = True
            self._serving.cancel()


def _log(exchange: Exchange) -> None:
    extra: dict[str, object] = {
        "request_id": exchange.id,
        "milliseconds": round(exchange.seconds * 1000, 1),
    }
    if exchange.model is not None:
        extra["model"] = exchange.model
    if exchange.logged_body is not None:
        extra["body"] = exchange.logged_body
    polled = exchange.path in _POLLED and exchange.status == 200
    level = logging.DEBUG if polled else logging.INFO
    log.log(level, "%s %s %d", exchange.method, exchange.path, exchange.status, extra=extra)
