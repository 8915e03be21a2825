"""`/v1/responses/{id}`: stored responses."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.responses.state.items import shown, shown_response
from openedai.api.openai.responses.types import Includable
from openedai.api.parameters.pages import Query, page
from openedai.errors import InvalidRequest, invalid_value
from openedai.http.body import Body
from openedai.http.exchange import exchange_of
from openedai.http.respond import EventStream, first_frame, json_response
from openedai.serving.responses.keeping import ResponseKeeping
from openedai.store.conversations.responses import items_of

_TYPE = b'{"type":"'
# Sent while there is no event yet, so that the client sees that the stream has started.
_WAITING = b": waiting\n\n"


class RetrieveQuery(Body):
    """`include` adds what tools have found; without it a response shows what its own request asked
    for.
    """

    include: list[Includable] | None = None
    include_obfuscation: bool | None = None
    stream: bool | None = None
    starting_after: int | None = Field(None, ge=0, lt=1 << 63)

    def check(self) -> None:
        if self.starting_after is not None and not self.stream:
            raise invalid_value("starting_after", "it is only allowed when 'stream' is true")


class InputItemsQuery(Query):
    order: Literal["asc", "desc"] = "desc"
    include: list[Includable] | None = None


class StoredResponseRoutes:
    def __init__(self, calls: Calls, keeping: ResponseKeeping) -> None:
        self._calls = calls
        self._keeping = keeping

    async def retrieve(self, request: Request) -> Response:
        query, headers = self._calls.query(request, RetrieveQuery)
        owner, id = _named(request)
        found = await self._keeping.responses.find(owner, id)
        if not query.stream:
            return json_response(shown_response(found, query.include or ()), headers=headers)
        if not found.streamed:
            raise InvalidRequest(
                "This response cannot be streamed: it was not made with 'background' and 'stream'.",
                code="invalid_value",
                param="stream",
            )
        after = -1 if query.starting_after is None else query.starting_after
        return await event_stream(self._keeping, request, id, after)

    async def delete(self, request: Request) -> Response:
        owner, id = _named(request)
        await self._keeping.delete(owner, id)
        return json_response({"id": id, "object": "response", "deleted": True})

    async def cancel(self, request: Request) -> Response:
        found = await self._keeping.cancel(*_named(request))
        return json_response(shown_response(found))

    async def list_input(self, request: Request) -> Response:
        query, headers = self._calls.query(request, InputItemsQuery)
        found = await self._keeping.responses.find(*_named(request))
        items = list(items_of(found.input))
        if query.order == "desc":
            items.reverse()
        if query.after is not None:
            ids = [item.id for item in items]
            if query.after not in ids:
                raise invalid_value("after", "the response has no such item")
            items = items[ids.index(query.after) + 1 :]
        listed = page(items, query.limit, lambda item: shown(item.json, query.include or ()))
        return json_response(listed, headers=headers)


async def event_stream(
    keeping: ResponseKeeping, request: Request, id: str, after: int = -1
) -> EventStream:
    """The events of a response that a job makes, after the number `after`."""
    exchange = exchange_of(request.scope)
    frames = _frames(keeping, exchange.owner, id, after)
    return EventStream(exchange, await first_frame(frames), frames)


async def _frames(
    keeping: ResponseKeeping, owner: str, id: str, after: int
) -> AsyncGenerator[bytes, None]:
    first = True
    async with aclosing(keeping.events(owner, id, after)) as groups:
        async for events in groups:
            if events or first:
                yield b"".join(map(_frame, events)) or _WAITING
                first = False
    if first:
        yield _WAITING


def _frame(event: bytes) -> bytes:
    name = event[len(_TYPE) : event.index(b'"', len(_TYPE))]
    return b"event: %b\ndata: %b\n\n" % (name, event)


def _named(request: Request) -> tuple[str, str]:
    """The owner and the id of the response in the URL."""
    return exchange_of(request.scope).owner, request.path_params["id"]
