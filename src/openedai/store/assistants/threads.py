"""Threads: conversations of messages, in which assistants run. Only its owner sees a thread."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from openedai.errors import NotFound
from openedai.store.database import Query, Row
from openedai.store.ids import is_id, ordered_id
from openedai.store.store import Store

PREFIX = "thread_"
_COLUMNS = "id, owner, created_at, record"


class ThreadFields(msgspec.Struct, frozen=True, kw_only=True):
    """`stores` are the ids of vector stores, `code_files` of files for code; None for a thread
    without such resources. `container` is the id of the container in which code last ran.
    """

    metadata: dict[str, str] = {}
    stores: list[str] | None = None
    code_files: list[str] | None = None
    container: str = ""


@dataclass(frozen=True)
class Thread:
    """`created_at` is in seconds since 1970."""

    id: str
    owner: str
    created_at: float
    fields: ThreadFields


def new_thread(owner: str, fields: ThreadFields) -> Thread:
    return Thread(ordered_id(PREFIX), owner, time.time(), fields)


class Threads:
    """Methods that take a query are part of its transaction.

    Whatever is added to a thread takes a position, so that messages and the steps of runs have one
    common order.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert(self, query: Query, made: Thread) -> None:
        await query.run(
            f"insert into threads({_COLUMNS}, positions) values($1, $2, $3, $4, 0)",
            *(made.id, made.owner, made.created_at, _text(made.fields)),
        )

    async def find(self, owner: str, id: str) -> Thread:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from threads where id=$1 and owner=$2"
        for row in await database.read(by_id, id, owner) if is_id(id) else ():
            return _thread(row)
        raise no_such_thread(id)

    async def lock(self, query: Query, owner: str, id: str) -> Thread:
        """Lock the thread until the end of the transaction, so that nobody else adds anything, and
        return it.

        Raises NotFound.
        """
        suffix = (await self._store.database()).for_update
        by_id = f"select {_COLUMNS} from threads where id=$1 and owner=$2{suffix}"
        for row in await query(by_id, id, owner):
            return _thread(row)
        raise no_such_thread(id)

    async def take_positions(self, query: Query, id: str, count: int) -> int:
        """Take this many new positions. Returns the first. Raises NotFound."""
        taken = "update threads set positions=positions+$1 where id=$2 returning positions"
        for (end,) in await query(taken, count, id):
            return int(end) - count
        raise no_such_thread(id)

    async def update(self, owner: str, id: str, **fields: Any) -> Thread:
        """The thread with changed fields. Raises NotFound."""
        await self.find(owner, id)
        async with (await self._store.database()).write() as query:
            found = await self.lock(query, owner, id)
            return await self.set_fields(query, found, **fields)

    async def set_fields(self, query: Query, found: Thread, **fields: Any) -> Thread:
        """Set the fields of a locked thread."""
        changed = msgspec.structs.replace(found.fields, **fields)
        await query.run("update threads set record=$1 where id=$2", _text(changed), found.id)
        return replace(found, fields=changed)

    async def delete(self, query: Query, owner: str, id: str) -> None:
        """Delete the thread with its messages, its runs and all that belongs to them. Raises
        NotFound.

        The jobs come first, because whoever works on a run locks its job before the thread.
        """
        await query.run("delete from jobs where id in (select job from runs where thread=$1)", id)
        await self.lock(query, owner, id)
        runs = "select id from runs where thread=$1"
        await query.run(f"delete from run_events where run in ({runs})", id)
        for table in ("run_steps", "runs", "thread_messages"):
            await query.run(f"delete from {table} where thread=$1", id)
        await query.run("delete from threads where id=$1", id)


def no_such_thread(id: str) -> NotFound:
    return NotFound(f"No thread found with id '{id}'.", param="thread_id")


def _thread(row: Row) -> Thread:
    id, owner, created_at, record = row
    return Thread(id, owner, created_at, msgspec.json.decode(record, type=ThreadFields))


def _text(fields: ThreadFields) -> str:
    return msgspec.json.encode(fields).decode()
