"""Stored chat completions, each with the messages that it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from openedai.errors import NotFound
from openedai.store.database import Query, Value
from openedai.store.ids import is_id
from openedai.store.store import Store

PREFIX = "chatcmpl-"
_COLUMNS = "id, owner, model, created_at, metadata, completion, messages"

Metadata = Mapping[str, str]


@dataclass(frozen=True)
class StoredChat:
    """`completion` and `metadata` are JSON objects, `messages` is a JSON array. The completion does
    not contain its metadata. `created_at` is in seconds since 1970.
    """

    id: str
    owner: str
    model: str
    created_at: float
    metadata: str
    completion: str
    messages: str


class StoredChats:
    """Only its owner sees a chat."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert(self, chat: StoredChat) -> None:
        """Store a chat. Raises Unavailable; then nothing is stored."""
        async with (await self._store.database()).write() as query:
            await query.run(
                f"insert into stored_chats({_COLUMNS}) values($1, $2, $3, $4, $5, $6, $7)",
                *(chat.id, chat.owner, chat.model, chat.created_at),
                *(chat.metadata, chat.completion, chat.messages),
            )
            await self._add_digests(query, chat.id, chat.metadata)

    async def find(self, owner: str, id: str) -> StoredChat:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from stored_chats where id=$1 and owner=$2"
        for row in await database.read(by_id, id, owner) if is_id(id) else ():
            return StoredChat(*row)
        raise _no_such_chat(id)

    async def page(
        self,
        owner: str,
        limit: int,
        *,
        after: str | None = None,
        order: Literal["asc", "desc"] = "asc",
        model: str | None = None,
        metadata: Metadata | None = None,
    ) -> list[StoredChat]:
        """Chats after the id `after`, in the order in which they were made, of this model and with
        all of this metadata.
        """
        where = ["owner=$1"]
        values: list[Value] = [owner, limit]
        tagged = "id in (select chat from stored_chat_metadata where digest={})"
        conditions: list[tuple[str, Value]] = [
            ("id<{}" if order == "desc" else "id>{}", after),
            ("model={}", model),
            *((tagged, digest) for digest in _digests(metadata or {})),
        ]
        for condition, value in conditions:
            if value is not None:
                values.append(value)
                where.append(condition.format(f"${len(values)}"))
        database = await self._store.database()
        rows = await database.read(
            f"select {_COLUMNS} from stored_chats where {' and '.join(where)} "
            f"order by id {order} limit $2",
            *values,
        )
        return [StoredChat(*row) for row in rows]

    async def set_metadata(self, owner: str, id: str, metadata: str) -> StoredChat:
        """The chat with new metadata. Raises NotFound."""
        await self.find(owner, id)
        async with (await self._store.database()).write() as query:
            rows = await query(
                "update stored_chats set metadata=$1 where id=$2 and owner=$3 "
                f"returning {_COLUMNS}",
                *(metadata, id, owner),
            )
            if not rows:
                raise _no_such_chat(id)
            await query.run("delete from stored_chat_metadata where chat=$1", id)
            await self._add_digests(query, id, metadata)
        return StoredChat(*rows[0])

    async def delete(self, owner: str, id: str) -> None:
        """Raises NotFound."""
        await self.find(owner, id)
        async with (await self._store.database()).write() as query:
            by_id = "delete from stored_chats where id=$1 and owner=$2 returning id"
            if not await query(by_id, id, owner):
                raise _no_such_chat(id)
            await query.run("delete from stored_chat_metadata where chat=$1", id)

    async def _add_digests(self, query: Query, id: str, metadata: str) -> None:
        if digests := _digests(msgspec.json.decode(metadata)):
            await query.many(
                "insert into stored_chat_metadata(digest, chat) values($1, $2)",
                [(digest, id) for digest in digests],
            )


def _digests(metadata: Metadata) -> list[str]:
    """A digest for each pair of a name and a value, which may be too long for an index."""
    pairs = (msgspec.json.encode(pair) for pair in metadata.items())
    return [hashlib.sha256(pair).hexdigest() for pair in pairs]


def _no_such_chat(id: str) -> NotFound:
    return NotFound(f"No stored chat completion found with id '{id}'.", param="completion_id")
