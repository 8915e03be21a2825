"""Stored responses, each with the items that it answers, as chains of turns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import msgspec

from openedai.errors import InvalidRequest, NotFound
from openedai.store.conversations.conversations import Item
from openedai.store.conversations.events import KeptEvents
from openedai.store.database import Query
from openedai.store.ids import is_id
from openedai.store.store import Store

PREFIX = "resp_"
KIND = "response"  # of jobs
_SWEPT = 500  # at once

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
OPEN = ("queued", "in_progress")


@dataclass(frozen=True)
class StoredResponse:
    """`response` is the object without its output, in JSON; `output` and `input` are arrays of
    items with ids. `previous` is the response that it continues. `background` is whether a job
    makes it, `streamed` whether its events are stored. `hidden` are the names, separated by commas,
    of what its items have but do not show. Times are seconds since 1970.
    """

    id: str
    owner: str
    created_at: float
    expires_at: float | None
    status: Status
    background: int
    streamed: int
    previous: str | None
    conversation: str | None
    response: str
    output: str
    input: str
    hidden: str = ""

    def json(self) -> bytes:
        """The whole object, with what is hidden."""
        return f'{self.response[:-1]},"output":{self.output}}}'.encode()


_NAMES = [field.name for field in fields(StoredResponse)]
_COLUMNS = ", ".join(_NAMES)


class Responses:
    """Only its owner sees a response. Methods that take a query are part of its transaction."""

    def __init__(self, store: Store) -> None:
        self.events = KeptEvents(store, "response")
        self._store = store

    async def insert(self, query: Query, response: StoredResponse) -> None:
        marks = ", ".join(f"${number}" for number in range(1, len(_NAMES) + 1))
        values = [getattr(response, name) for name in _NAMES]
        await query.run(f"insert into responses({_COLUMNS}) values({marks})", *values)
        await self._insert_items(query, response.id, response.input, response.output)

    async def find(self, owner: str, id: str) -> StoredResponse:
        """Raises NotFound, also for a response that has expired."""
        database = await self._store.database()
        by_id = (
            f"select {_COLUMNS} from responses where id=$1 and owner=$2 "
            "and (expires_at is null or expires_at > $3)"
        )
        for row in await database.read(by_id, id, owner, time.time()) if is_id(id) else ():
            return StoredResponse(*row)
        raise no_such_response(id)

    async def lock(self, query: Query, id: str) -> StoredResponse:
        """Lock the response, whoever owns it, until the end of the transaction, and return it.
        Raises NotFound.
        """
        suffix = (await self._store.database()).for_update
        for row in await query(f"select {_COLUMNS} from responses where id=$1{suffix}", id):
            return StoredResponse(*row)
        raise no_such_response(id)

    async def update(self, query: Query, response: StoredResponse) -> None:
        """Update the state of a response."""
        await query.run(
            "update responses set status=$1, response=$2, output=$3 where id=$4",
            *(response.status, response.response, response.output, response.id),
        )
        await self._insert_items(query, response.id, response.output)

    async def history(self, owner: str, id: str) -> list[tuple[str, str]]:
        """The input and the output of every turn up to this response, the oldest first: arrays of
        items. Raises NotFound if this one or one before it is missing.

        Those before it may have expired: they are kept as long as this one.
        """
        if not is_id(id):
            raise no_such_response(id)
        database = await self._store.database()
        rows = await database.read(
            "with recursive chain(id, depth) as ("
            "select id, 0 from responses where id=$1 and owner=$2 "
            "union all select turn.previous, chain.depth + 1 from chain "
            "join responses turn on turn.id = chain.id where turn.previous is not null) "
            "select chain.id, turn.status, turn.expires_at, turn.input, turn.output from chain "
            "left join responses turn on turn.id = chain.id and turn.owner=$2 "
            "order by chain.depth desc",
            *(id, owner),
        )
        missing = [turn for turn, status, *_ in rows if status is None]
        if not rows or missing:
            raise no_such_response(missing[-1] if missing else id)
        _, status, expires_at, _, _ = rows[-1]
        if expires_at is not None and expires_at <= time.time():
            raise no_such_response(id)
        if status in OPEN:
            raise InvalidRequest(
                f"The response '{id}' is {status}: it can be gone on from when it has ended.",
                code="invalid_value",
                param="previous_response_id",
            )
        return [(input, output) for *_, input, output in rows]

    async def item(self, owner: str, id: str) -> str | None:
        """The JSON of an item of a response."""
        if not is_id(id):
            return None
        database = await self._store.database()
        rows = await database.read(
            "select turn.input, turn.output from response_items item "
            "join responses turn on turn.id = item.response "
            "where item.id=$1 and turn.owner=$2 limit 1",
            *(id, owner),
        )
        for arrays in rows:
            for array in arrays:
                for item in msgspec.json.decode(array, type=list[msgspec.Raw]):
                    if _read_id(item) == id:
                        return bytes(item).decode()
        return None

    async def delete(self, owner: str, id: str) -> None:
        """Raises NotFound."""
        await self.find(owner, id)
        async with (await self._store.database()).write() as query:
            await query.run("delete from jobs where id=$1", id)
            by_id = "delete from responses where id=$1 and owner=$2 returning id"
            if not await query(by_id, id, owner):
                raise no_such_response(id)
            await self._remove_parts(query, id)

    async def sweep(self) -> None:
        """Delete responses that have expired, except those that others continue."""
        database = await self._store.database()
        while True:
            rows = await database.read(
                "select id from responses where expires_at <= $1 and not exists "
                "(select 1 from responses next where next.previous = responses.id) limit $2",
                *(time.time(), _SWEPT),
            )
            if not rows:
                return
            async with database.write() as query:
                for (id,) in rows:
                    await query.run("delete from responses where id=$1", id)
                    await self._remove_parts(query, id)

    async def _remove_parts(self, query: Query, id: str) -> None:
        await query.run("delete from response_items where response=$1", id)
        await self.events.remove(query, id)

    async def _insert_items(self, query: Query, id: str, *arrays: str) -> None:
        ids = dict.fromkeys(
            item.id for array in arrays for item in msgspec.json.decode(array, type=list[_HasId])
        )
        if ids:
            await query.many(
                "insert into response_items(id, response) values($1, $2) on conflict do nothing",
                [(item, id) for item in ids],
            )


class _HasId(msgspec.Struct):
    id: str


def _read_id(item: msgspec.Raw) -> str:
    return msgspec.json.decode(item, type=_HasId).id


def items_of(array: str) -> Sequence[Item]:
    """An array of items."""
    raws = msgspec.json.decode(array, type=list[msgspec.Raw])
    return [Item(_read_id(raw), bytes(raw).decode()) for raw in raws]


def no_such_response(id: str) -> NotFound:
    return NotFound(f"Response with id '{id}' not found.", param="response_id")
