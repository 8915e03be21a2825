"""`/v1/responses` as a WebSocket: several responses, one after the other.

Each message is a body of `POST /v1/responses` with the type `response.create`; the events of its
response are sent back. A response can be continued on its connection even if it is not stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field, TypeAdapter
from starlette.websockets import WebSocket, WebSocketDisconnect

from openedai.api.openai.responses.history import History
from openedai.api.openai.responses.input.items import AnyItem, item_reader
from openedai.api.openai.responses.output.events import Event
from openedai.api.openai.responses.prepare import Prepared
from openedai.api.openai.responses.types import ResponseRequest
from openedai.bounded_json import read_json
from openedai.errors import APIError, InvalidRequest, NotFound, invalid_value
from openedai.http.body import AllowedOnly
from openedai.http.exchange import Exchange
from openedai.http.respond import as_api_error
from openedai.http.server.envelope import CLIENT_LEFT, Exchanges
from openedai.http.validation import invalid_json
from openedai.identity import Identity

_MOST_WAITING = 16  # messages
_MOST_KEPT = 16  # responses
_CREATE = "response.create"
_STEER = "response.steer"

_encode = msgspec.json.Encoder().encode


class ResponseCreate(ResponseRequest):
    """A message. With `generate` false the prompt is only computed, and no answer is generated."""

    type: Literal["response.create"]
    generate: bool | None = None
    background: Annotated[bool | None, AllowedOnly((False,))] = None
    stream: Annotated[bool | None, AllowedOnly((True,))] = True
    stream_id: str | None = Field(None, max_length=128)


class ConnectionHistory:
    """The last responses of a connection, in front of the history that is stored."""

    def __init__(self, kept: History) -> None:
        self._kept = kept
        self._items: dict[str, Sequence[AnyItem]] = {}

    def remember(self, id: str, items: Sequence[AnyItem]) -> None:
        self._items[id] = items
        while len(self._items) > _MOST_KEPT:
            del self._items[next(iter(self._items))]

    def forget(self, id: str | None) -> None:
        self._items.pop(id or "", None)

    async def of_response(self, exchange: Exchange, id: str) -> Sequence[AnyItem]:
        if id in self._items:
            return self._items[id]
        try:
            return await self._kept.of_response(exchange, id)
        except InvalidRequest:
            raise NotFound(
                f"Previous response with id '{id[:80]}' not found.",
                code="previous_response_not_found",
                param="previous_response_id",
            ) from None

    async def of_conversation(self, exchange: Exchange, id: str) -> Sequence[AnyItem]:
        return await self._kept.of_conversation(exchange, id)

    async def items(self, exchange: Exchange, ids: Sequence[str]) -> Mapping[str, AnyItem]:
        return await self._kept.items(exchange, ids)


Answer = Callable[[Mapping[str, Any], Exchange, ConnectionHistory, "Send"], Awaitable[Prepared]]
"""Answers the body of a message, sends the events, and returns what was answered."""

Send = Callable[[Event], Awaitable[None]]


class ResponseSocket:
    """One connection."""

    def __init__(self, socket: WebSocket, history: History, answer: Answer) -> None:
        self._socket = socket
        self._exchanges: Exchanges = socket.scope["exchanges"]
        self._identify: Callable[[], Awaitable[Identity]] = socket.scope["identify"]
        self._history = ConnectionHistory(history)
        self._answer = answer
        self._messages: asyncio.Queue[str | bytes] = asyncio.Queue(_MOST_WAITING)
        self._reader: TypeAdapter[list[AnyItem]] = item_reader()

    async def serve(self) -> None:
        """Serve until the client leaves; then the answer in progress is cancelled.

        While the queue of messages is full, nothing is read; then the client's leaving is noticed
        when an answer is sent.
        """
        await self._socket.accept()
        tasks = [asyncio.create_task(work()) for work in (self._read_all, self._answer_all)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect):
                raise result

    async def _read_all(self) -> None:
        while (message := await self._socket.receive())["type"] != "websocket.disconnect":
            await self._messages.put(message.get("text") or message.get("bytes") or "")

    async def _answer_all(self) -> None:
        while True:
            message = await self._messages.get()
            with self._exchanges.new() as exchange:
                try:
                    await self._answer_one(message, exchange)
                except (WebSocketDisconnect, asyncio.CancelledError):
                    exchange.status = CLIENT_LEFT
                    raise

    async def _answer_one(self, message: str | bytes, exchange: Exchange) -> None:
        stream_id: str | None = None
        values: Mapping[str, Any] = {}
        try:
            values = _values(message)
            given = values.get("stream_id")
            stream_id = given if isinstance(given, str) else None

            async def send(event: Event) -> None:
                await self._send(_encode(event), stream_id)

            if values["type"] == _STEER:
                await self._send(_encode(_not_steered(values)), None)
                exchange.status = 400
                return
            exchange.identity = await self._identify()
            prepared = await self._answer(values, exchange, self._history, send)
            exchange.status = 200
            self._remember(prepared)
        except WebSocketDisconnect:
            raise
        except asyncio.CancelledError:
            if exchange.cancelled is None or not _goes_on():
                raise
            await self._refuse(exchange.cancelled, exchange, values, stream_id)
        except Exception as error:
            api_error = as_api_error(error).renamed(exchange.parameter_names)
            await self._refuse(api_error, exchange, values, stream_id)

    async def _refuse(
        self,
        error: APIError,
        exchange: Exchange,
        values: Mapping[str, Any],
        stream_id: str | None,
    ) -> None:
        exchange.status = error.status
        previous = values.get("previous_response_id")
        self._history.forget(previous if isinstance(previous, str) else None)
        await self._send(_encode(_error(error)), stream_id)

    def _remember(self, prepared: Prepared) -> None:
        response = prepared.builder.response
        if response.status == "failed":
            self._history.forget(response.previous_response_id)
            return
        output = self._reader.validate_json(_encode(prepared.builder.kept_items))
        self._history.remember(response.id, [*prepared.items, *output])

    async def _send(self, event: bytes, stream_id: str | None) -> None:
        text = event.decode()
        if stream_id is not None:
            text = f'{text[:-1]},"stream_id":{_encode(stream_id).decode()}}}'
        await self._socket.send_text(text)


def _goes_on() -> bool:
    """After one answer was cancelled: whether the connection goes on, because nothing else
    cancelled its task.
    """
    task = asyncio.current_task()
    return task is not None and task.uncancel() == 0


def _values(message: str | bytes) -> Mapping[str, Any]:
    """The values of a message. Raises InvalidRequest."""
    try:
        values = read_json(message)
    except ValueError as error:
        raise invalid_json(str(error)) from None
    if not isinstance(values, dict):
        raise InvalidRequest("Invalid message: expected an object.", code="invalid_type")
    if values.get("type") not in (_CREATE, _STEER):
        raise invalid_value("type", f"expected '{_CREATE}'")
    return values


def _not_steered(values: Mapping[str, Any]) -> dict[str, Any]:
    """The event for input to an answer in progress: it has to be sent after the answer has
    ended.
    """
    given = {name: values.get(name) or "" for name in ("input", "previous_response_id")}
    error = {
        "type": "invalid_request_error",
        "code": "steering_not_supported",
        "message": "Answers cannot be steered: send the input with 'response.create' afterwards.",
    }
    return {"type": "response.steer.failed", "sequence_number": 0, "steer": given, "error": error}


def _error(error: APIError) -> dict[str, Any]:
    """The event for a message that is not answered. Unlike other errors, these always have a
    code.
    """
    fields = {
        "type": error.type,
        "code": error.code or error.type,
        "message": error.message,
        "param": error.param,
    }
    return {"type": "error", "status": error.status, "error": fields}
