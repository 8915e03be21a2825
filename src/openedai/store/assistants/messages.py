"""The messages of threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from openedai.errors import NotFound
from openedai.store.assistants.positions import page_by_position
from openedai.store.assistants.threads import Threads
from openedai.store.database import Query, Row, Value
from openedai.store.ids import is_id
from openedai.store.store import Store
from openedai.store.vector_stores.pages import Cursor, Found

PREFIX = "msg_"
_COLUMNS = "id, thread, position, run, record"


class MessageFields(msgspec.Struct, frozen=True, kw_only=True):
    """`content` and `attachments` are as the API shows them. Times are seconds since 1970."""

    created_at: int
    role: str
    content: list[dict[str, Any]]
    attachments: list[dict[str, Any]] = []
    metadata: dict[str, str] = {}
    assistant: str | None = None
    status: str = "completed"
    completed_at: int | None = None
    incomplete_at: int | None = None
    incomplete_reason: str | None = None


@dataclass(frozen=True)
class Message:
    """`run` is the run that made it. `position` is -1 until it is in its thread."""

    id: str
    thread: str
    run: str | None
    fields: MessageFields
    position: int = -1

    def changed(self, **fields: Any) -> Message:
        return replace(self, fields=msgspec.structs.replace(self.fields, **fields))


class Messages:
    """The messages of threads that the caller may see. Methods that take a query are part of its
    transaction.
    """

    def __init__(self, store: Store, threads: Threads) -> None:
        self._store = store
        self._threads = threads

    async def append(self, query: Query, thread: str, messages: Sequence[Message]) -> None:
        """Raises NotFound if the thread is gone."""
        if not messages:
            return
        first = await self._threads.take_positions(query, thread, len(messages))
        await query.many(
            f"insert into thread_messages({_COLUMNS}) values($1, $2, $3, $4, $5)",
            [
                (one.id, thread, position, one.run, _text(one.fields))
                for position, one in enumerate(messages, first)
            ],
        )

    async def put(self, query: Query, message: Message, *, is_new: bool) -> None:
        """Add a message to its thread, or change one except for its metadata. If a message that is
        not new no longer exists, it was deleted, and nothing happens.

        Raises NotFound.
        """
        suffix = (await self._store.database()).for_update
        by_id = f"select record from thread_messages where id=$1{suffix}"
        for (record,) in await query(by_id, message.id):
            kept = msgspec.json.decode(record, type=MessageFields)
            fields = msgspec.structs.replace(message.fields, metadata=kept.metadata)
            change = "update thread_messages set record=$1 where id=$2"
            await query.run(change, _text(fields), message.id)
            return
        if is_new:
            await self.append(query, message.thread, [message])

    async def open(self, query: Query, thread: str, run: str) -> list[Message]:
        """The messages of a run that have not ended."""
        by_run = f"select {_COLUMNS} from thread_messages where thread=$1 and run=$2"
        messages = [_message(row) for row in await query(by_run, thread, run)]
        return [message for message in messages if message.fields.status == "in_progress"]

    async def find(self, thread: str, id: str) -> Message:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from thread_messages where id=$1 and thread=$2"
        for row in await database.read(by_id, id, thread) if is_id(id) else ():
            return _message(row)
        raise no_such_message(id)

    async def set_metadata(self, thread: str, id: str, metadata: dict[str, str]) -> Message:
        """The message with new metadata. Raises NotFound."""
        await self.find(thread, id)
        database = await self._store.database()
        async with database.write() as query:
            by_id = f"select {_COLUMNS} from thread_messages where id=$1 and thread=$2"
            for row in await query(by_id + database.for_update, id, thread):
                found = _message(row)
                changed = msgspec.structs.replace(found.fields, metadata=metadata)
                update = "update thread_messages set record=$1 where id=$2"
                await query.run(update, _text(changed), id)
                return replace(found, fields=changed)
        raise no_such_message(id)

    async def delete(self, thread: str, id: str) -> None:
        """Raises NotFound."""
        await self.find(thread, id)
        async with (await self._store.database()).write() as query:
            by_id = "delete from thread_messages where id=$1 and thread=$2 returning id"
            if not await query(by_id, id, thread):
                raise no_such_message(id)

    async def page(self, thread: str, cursor: Cursor, run: str | None = None) -> Found[Message]:
        """Messages in their order, those of one run or all. Raises InvalidRequest."""
        where, args = "thread=$1", list[Value]([thread])
        if run is not None:
            where, args = "thread=$1 and run=$2", [thread, run]
        found = await page_by_position(
            await self._store.database(), "thread_messages", _COLUMNS, where, args, cursor
        )
        return Found(list(map(_message, found.items)), found.has_more)

    async def all(self, thread: str) -> list[Message]:
        """The whole thread, the oldest message first."""
        database = await self._store.database()
        by_thread = f"select {_COLUMNS} from thread_messages where thread=$1 order by position"
        return [_message(row) for row in await database.read(by_thread, thread)]


def no_such_message(id: str) -> NotFound:
    return NotFound(f"No message found with id '{id}'.", param="message_id")


def _message(row: Row) -> Message:
    id, thread, position, run, record = row
    fields = msgspec.json.decode(record, type=MessageFields)
    return Message(id, thread, run, fields, position)


def _text(fields: MessageFields) -> str:
    return msgspec.json.encode(fields).decode()
