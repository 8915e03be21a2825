"""Requests to the server's own routes without a connection, such as the lines of a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openedai.http.exchange import Background, Exchange, exchange_of
from openedai.http.respond import as_api_error
from openedai.http.server.envelope import CLIENT_LEFT
from openedai.identity import Identity

# How often a request starts again because it gave way. After that it is treated like any other
# until its end.
_MOST_RESTARTS = 3


@dataclass(frozen=True)
class Answer:
    """`retry_after` is in seconds, for an error that may pass."""

    status: int
    request_id: str
    media_type: str
    body: bytes
    retry_after: float | None = None


Perform = Callable[[str, str, bytes, str, Identity], Awaitable[Answer]]


class InProcess:
    """`routes` serves what `envelope` passes on. Keys are not checked: they were when the requests
    were accepted. `server` is the host and port at the beginning of URLs in answers, `origin` what
    makes the requests, as in `Exchange`.
    """

    def __init__(
        self,
        routes: ASGIApp,
        envelope: Callable[[ASGIApp], ASGIApp],
        server: tuple[str, int],
        origin: str,
    ) -> None:
        self._routes = routes
        self._app = envelope(self._serve)
        self._server = server
        self._origin = origin

    async def perform(
        self, method: str, path: str, body: bytes, caller: str, identity: Identity
    ) -> Answer:
        """The answer to a request with a JSON body, as a client with this identity would get it.

        It waits behind the requests of clients, and starts again if it gave way to one. If the
        caller's task is cancelled, so is the work.
        """
        for restarts in range(_MOST_RESTARTS + 1):
            attempt = _Attempt(body, may_give_way=restarts < _MOST_RESTARTS)
            scope = self._scope(method, path, body, (caller, identity, attempt.background))
            answer = await attempt.run(self._app, scope)
            if answer is not None:
                return answer
        raise AssertionError("the last attempt does not give way")

    def _scope(
        self, method: str, path: str, body: bytes, in_process: tuple[str, Identity, Background]
    ) -> dict[str, Any]:
        headers = [
            (b"host", b"%s:%d" % (self._server[0].encode(), self._server[1])),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "client": None,
            "server": self._server,
            "in_process": in_process,
        }

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve in place of the guard."""
        exchange = exchange_of(scope)
        exchange.caller, exchange.identity, exchange.background = scope["in_process"]
        exchange.origin = self._origin
        await self._routes(scope, receive, send)


class _Attempt:
    """The connection of one request. To end the work it leaves, as a client would."""

    def __init__(self, body: bytes, *, may_give_way: bool) -> None:
        self.background = Background(self._leave if may_give_way else None)
        self._request: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._left = asyncio.Event()
        self._start: Message = {}
        self._body = bytearray()

    async def run(self, app: ASGIApp, scope: Scope) -> Answer | None:
        """The answer; None if it left before the end."""
        serving = asyncio.ensure_future(app(scope, self._receive, self._send))
        try:
            await asyncio.wait({serving})
        finally:
            if not serving.done():
                self._leave()
                await asyncio.wait({serving})
        exchange = exchange_of(scope)
        if (error := serving.exception()) is not None:
            return _failed(exchange, error)
        return None if exchange.status == CLIENT_LEFT else self._answer(exchange)

    def _leave(self) -> None:
        self._left.set()

    def _answer(self, exchange: Exchange) -> Answer:
        headers = {name.lower(): value for name, value in self._start["headers"]}
        retry_after = headers.get(b"retry-after-ms")
        return Answer(
            exchange.status,
            exchange.id,
            headers.get(b"content-type", b"").partition(b";")[0].decode("latin-1"),
            bytes(self._body),
            None if retry_after is None else int(retry_after) / 1000,
        )

    async def _receive(self) -> Message:
        if self._request is not None:
            request, self._request = self._request, None
            return request
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        else:
            self._body += message.get("body", b"")


def _failed(exchange: Exchange, error: BaseException) -> Answer:
    """The error that ended an answer that had begun."""
    known = as_api_error(error if isinstance(error, Exception) else Exception(error))
    body = msgspec.json.encode(exchange.dialect.error_body(known, exchange.id))
    return Answer(known.status, exchange.id, "application/json", body, known.retry_after)
