"""The outermost layer, for every request, whatever its outcome.

It gives each request an id, a time, a log line, and an answer in the client's dialect if something
fails. When the client leaves, the task that serves the request is cancelled, and closes all that it
holds on the way out.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openedai.errors import Unavailable
from openedai.http.dialect import Dialect
from openedai.http.exchange import Exchange
from openedai.http.respond import error_response

log = logging.getLogger("openedai.access")

CLIENT_LEFT = 499  # nginx's status for it; only logged and counted

RawHeaders = Iterable[tuple[bytes, bytes]]


class Envelope:
    """`dialect_of` returns the API that a request is in, `headers_of` the headers of its answer.

    `on_end` is called once for each finished exchange, with the matched route's path.
    """

    def __init__(
        self,
        app: ASGIApp,
        dialect_of: Callable[[Scope], Dialect],
        headers_of: Callable[[Exchange], RawHeaders],
        on_end: Callable[[Exchange, str], None],
    ) -> None:
        self.app = app
        self.dialect_of = dialect_of
        self.headers_of = headers_of
        self.on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(
            id=f"req_{secrets.token_hex(16)}",
            method=scope["method"],
            path=scope["path"],
            dialect=self.dialect_of(scope),
            send=send,
        )
        scope["exchange"] = exchange
        connection = _Connection(exchange, self.headers_of, receive, send)
        try:
            await self.app(scope, connection.receive, connection.send)
        except asyncio.CancelledError:
            if connection.client_left:
                exchange.status = CLIENT_LEFT
            elif exchange.status == 0:
                await connection.fail(scope, Unavailable("The server is shutting down."))
        except Exception as error:
            await connection.fail(scope, error)
        finally:
            connection.close()
            exchange.cleanup.close()
            route = getattr(scope.get("route"), "path", "unmatched")
            self.on_end(exchange, route)
            _log(exchange)


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
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._watcher = asyncio.create_task(self._watch())
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start(message)
        elif not message.get("more_body", False):
            self._done = True
        await self._send(message)

    async def fail(self, scope: Scope, error: Exception) -> None:
        """Answer with the error, unless an answer has begun: then the connection is closed."""
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
        self.exchange.status = message["status"]
        message.setdefault("headers", []).extend(self._headers_of(self.exchange))

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
    log.info("%s %s %d", exchange.method, exchange.path, exchange.status, extra=extra)
