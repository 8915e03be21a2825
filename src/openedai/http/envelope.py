"""The outermost layer: what every request has, whatever becomes of it.

An id, a time, a log line, an answer in the official shape when something broke, and an end when
its client has left: then the task that serves the request is cancelled, and all that it holds is
closed on the way out.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openedai.errors import Unavailable
from openedai.http.respond import as_api_error, error_response

log = logging.getLogger("openedai.access")

CLIENT_LEFT = 499  # nginx's number for it; only ever logged and counted


@dataclass(slots=True)
class Exchange:
    """One request and what became of it. Handlers find it in the scope, as `exchange`.

    `facts` are for the log; `marks` are moments by name, in seconds since it started.
    """

    id: str
    method: str
    path: str
    started: float = field(default_factory=time.perf_counter)
    status: int = 0
    facts: dict[str, object] = field(default_factory=dict)
    marks: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started


class Envelope:
    """`on_end` is called once for each finished exchange with the matched route's path."""

    def __init__(
        self,
        app: ASGIApp,
        on_end: Callable[[Exchange, str], None] = lambda exchange, route: None,
    ) -> None:
        self.app = app
        self.on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(f"req_{secrets.token_hex(16)}", scope["method"], scope["path"])
        scope["exchange"] = exchange
        line = _Line(exchange, receive, send)
        try:
            await self.app(scope, line.receive, line.send)
        except asyncio.CancelledError:
            if line.left:
                exchange.status = CLIENT_LEFT
            elif exchange.status == 0:
                await line.fail(scope, Unavailable("The server is shutting down."))
        except Exception as error:
            await line.fail(scope, error)
        finally:
            line.close()
            route = getattr(scope.get("route"), "path", "unmatched")
            self.on_end(exchange, route)
            _log(exchange)


class _Line:
    """The connection of one exchange: watches for the client's leaving."""

    def __init__(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        self.exchange = exchange
        self.left = False
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
            self._complete(message)
        elif not message.get("more_body", False):
            self._done = True
        await self._send(message)

    async def fail(self, scope: Scope, error: Exception) -> None:
        """Answer with the error, unless an answer has begun: then the connection just ends."""
        if self.exchange.status == 0:
            await error_response(as_api_error(error), scope)(scope, self.receive, self.send)
        else:
            log.error("%s broke off", self.exchange.id, exc_info=error)
            raise error

    def close(self) -> None:
        self._done = True
        if self._watcher is not None:
            self._watcher.cancel()

    def _complete(self, message: Message) -> None:
        self.exchange.status = message["status"]
        message.setdefault("headers", []).extend(
            (
                (b"x-request-id", self.exchange.id.encode()),
                (b"request-id", self.exchange.id.encode()),
                (b"openai-version", b"2020-10-01"),
                (b"openai-processing-ms", b"%d" % (self.exchange.seconds * 1000)),
            )
        )

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._done and self._serving is not None:
            self.left = True
            self._serving.cancel()


def _log(exchange: Exchange) -> None:
    log.info(
        "%s %s %d",
        exchange.method,
        exchange.path,
        exchange.status,
        extra={
            "request_id": exchange.id,
            "milliseconds": round(exchange.seconds * 1000, 1),
            **exchange.facts,
        },
    )
