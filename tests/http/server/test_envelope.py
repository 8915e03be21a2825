from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from openedai.errors import APIError, Unsupported
from openedai.http.dialect import Dialect
from openedai.http.exchange import Exchange
from openedai.http.server.envelope import CLIENT_LEFT, Envelope

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
PART: Message = {"type": "http.response.body", "body": b"x", "more_body": True}
REQUEST: Message = {"type": "http.request", "body": b"", "more_body": False}


def _error_body(error: APIError, request_id: str) -> Any:
    return {"message": error.message, "id": request_id}


def _error_frame(error: APIError, request_id: str) -> bytes:
    raise AssertionError("nothing is streamed")


class Harness:
    """Runs `app` in an envelope. `sent` are the messages to the client, `begun` and
    `ended` the exchanges.
    """

    def __init__(self, app: Any) -> None:
        self.sent: list[Message] = []
        self.begun: list[Exchange] = []
        self.ended: list[tuple[Exchange, str]] = []
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.incoming.put_nowait(REQUEST)
        self._envelope = Envelope(
            app,
            lambda scope: Dialect(_error_body, _error_frame),
            lambda exchange: [(b"x-request-id", exchange.id.encode())],
            lambda exchange, route: self.ended.append((exchange, route)),
            self.begun.append,
        )

    async def __call__(self) -> None:
        async def send(message: Message) -> None:
            self.sent.append(message)

        scope: Scope = {"type": "http", "method": "GET", "path": "/a", "headers": []}
        await self._envelope(scope, self.incoming.get, send)

    def exchange(self) -> Exchange:
        ((exchange, _),) = self.ended
        return exchange

    def refused(self, status: int) -> str:
        """The message of the error that was the whole answer."""
        exchange = self.exchange()
        start, body = self.sent
        assert start["status"] == exchange.status == status
        assert (b"x-request-id", exchange.id.encode()) in start["headers"]
        answer = json.loads(body["body"])
        assert answer["id"] == exchange.id
        return str(answer["message"])


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (Unsupported("No such thing."), 400, "No such thing."),
        (ValueError("secret"), 500, "The server had an error while processing your request."),
    ],
)
def test_an_error_before_the_answer(error: Exception, status: int, message: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    async def go() -> None:
        harness = Harness(app)
        await harness()
        assert harness.refused(status) == message
        assert harness.ended[0][1] == "unmatched"

    asyncio.run(go())


def test_an_error_in_the_answer_breaks_the_connection_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(START, headers=[]))
        await send(PART)
        raise ValueError("broken")

    async def go() -> None:
        harness = Harness(app)
        with pytest.raises(ValueError, match="broken"):
            await harness()
        assert [message["type"] for message in harness.sent] == [START["type"], PART["type"]]
        assert harness.exchange().status == 200

    asyncio.run(go())


@pytest.mark.parametrize("begun", [False, True])
def test_a_client_that_leaves_cancels_its_request(begun: bool) -> None:
    cancelled = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if begun:
            await send(dict(START, headers=[]))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def go() -> None:
        harness = Harness(app)
        harness.incoming.put_nowait({"type": "http.disconnect"})
        await harness()
        assert cancelled
        assert harness.exchange().status == CLIENT_LEFT
        assert len(harness.sent) == begun

    asyncio.run(go())


def test_a_client_that_leaves_a_stream_is_noticed_though_nobody_reads_the_body() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(START, headers=[]))
        await asyncio.Event().wait()

    async def go() -> None:
        harness = Harness(app)
        harness.incoming.put_nowait({"type": "http.disconnect"})
        await harness()
        assert harness.exchange().status == CLIENT_LEFT

    asyncio.run(go())


def test_a_request_that_is_cancelled_with_an_error_of_its_own() -> None:
    async def go() -> None:
        entered = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            entered.set()
            await asyncio.Event().wait()

        harness = Harness(app)
        task = asyncio.create_task(harness())
        await entered.wait()
        (exchange,) = harness.begun
        assert exchange.cancel(Unsupported("no more"))
        assert not exchange.cancel(Unsupported("again"))
        await task
        assert harness.refused(400) == "no more"

    asyncio.run(go())


def test_a_request_that_the_shutdown_cancels() -> None:
    async def go() -> None:
        entered = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            entered.set()
            await asyncio.Event().wait()

        harness = Harness(app)
        task = asyncio.create_task(harness())
        await entered.wait()
        task.cancel()
        await task
        assert harness.refused(503) == "The server is shutting down."

    asyncio.run(go())
