"""Conversations: ordered items, to which clients and responses append."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from openedai.errors import NotFound, invalid_value
from openedai.store.database import Query, Value
from openedai.store.ids import is_id, ordered_id
from openedai.store.store import Store

PREFIX = "conv_"
_COLUMNS = "id, owner, created_at, metadata"
_IDS = 200  # in one statement


@dataclass(frozen=True)
class Conversation:
    """`metadata` is a JSON object. `created_at` is in seconds since 1970."""

    id: str
    owner: str
    created_at: float
    metadata: str


@dataclass(frozen=True)
class Item:
    """`json` is the item as the API shows it, with its id."""

    id: str
    json: str


class Conversations:
    """Only its owner sees a conversation. Methods that take a query are part of its transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, owner: str, metadata: str, items: Sequence[Item]) -> Conversation:
        """Raises InvalidRequest for items with the same id."""
        if len({item.id for item in items}) < len(items):
            raise invalid_value("items", "two of them have the same id")
        made = Conversation(ordered_id(PREFIX), owner, time.time(), metadata)
        async with (await self._store.database()).write() as query:
            await query.run(
                f"insert into conversations({_COLUMNS}) values($1, $2, $3, $4)",
                *(made.id, made.owner, made.created_at, made.metadata),
            )
            await self._insert(query, made.id, items, 0)
        return made

    async def find(self, owner: str, id: str) -> Conversation:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from conversations where id=$1 and owner=$2"
        for row in await database.read(by_id, id, owner) if is_id(id) else ():
            return Conversation(*row)
        raise no_such_conversation(id)

    async def set_metadata(self, owner: str, id: str, metadata: str) -> Conversation:
        """The conversation with new metadata. Raises NotFound."""
        await self.find(owner, id)
        async with (await self._store.database()).write() as query:
            rows = await query(
                "update conversations set metadata=$1 where id=$2 and owner=$3 "
                f"returning {_COLUMNS}",
                *(metadata, id, owner),
            )
        for row in rows:
            return Conversation(*row)
        raise no_such_conversation(id)

    async def delete(self, owner: str, id: str) -> None:
        """Delete the conversation with its items. Raises NotFound."""
        await self.find(owner, id)
        async with (await self._store.database()).write() as query:
            by_id = "delete from conversations where id=$1 and owner=$2 returning id"
            if not await query(by_id, id, owner):
                raise no_such_conversation(id)
            await query.run("delete from conversation_items where conversation=$1", id)

    async def add(self, owner: str, id: str, items: Sequence[Item]) -> None:
        """Append items. Raises NotFound, and InvalidRequest for an id that the conversation already
        has.
        """
        await self.find(owner, id)
        async with (await self._store.database()).write() as query:
            await self.append(query, owner, id, items)

    async def append(
        self,
        query: Query,
        owner: str,
        id: str,
        items: Sequence[Item],
        *,
        known: Literal["refuse", "skip"] = "refuse",
    ) -> None:
        """The same in a transaction; items whose ids already exist can be left out instead."""
        suffix = (await self._store.database()).for_update
        by_id = f"select id from conversations where id=$1 and owner=$2{suffix}"
        if not await query(by_id, id, owner):
            raise no_such_conversation(id)
        last = "select coalesce(max(position), -1) from conversation_items where conversation=$1"
        ((position,),) = await query(last, id)
        present = await self._present(query, id, items)
        new: dict[str, Item] = {}
        for number, item in enumerate(items):
            if item.id not in new and item.id not in present:
                new[item.id] = item
            elif known == "refuse":
                raise invalid_value(f"items[{number}].id", "the conversation has this item already")
        await self._insert(query, id, list(new.values()), position + 1)

    async def page(
        self,
        owner: str,
        id: str,
        limit: int,
        *,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> list[Item]:
        """Items after the item `after`, in their order. Raises NotFound, and InvalidRequest if the
        conversation does not have that item.
        """
        await self.find(owner, id)
        database = await self._store.database()
        where = "conversation=$1"
        args: list[Value] = [id, limit]
        if after is not None:
            at = "select position from conversation_items where id=$1 and conversation=$2"
            rows = await database.read(at, after, id)
            if not rows:
                raise invalid_value("after", "the conversation has no such item")
            args.append(rows[0][0])
            where += " and position<$3" if order == "desc" else " and position>$3"
        found = await database.read(
            f"select id, item from conversation_items where {where} "
            f"order by position {order} limit $2",
            *args,
        )
        return [Item(*row) for row in found]

    async def all(self, owner: str, id: str) -> list[str]:
        """The JSON of every item, in order. Raises NotFound."""
        await self.find(owner, id)
        database = await self._store.database()
        rows = await database.read(
            "select item from conversation_items where conversation=$1 order by position", id
        )
        return [item for (item,) in rows]

    async def item(self, owner: str, id: str, item_id: str) -> Item:
        """Raises NotFound."""
        await self.find(owner, id)
        database = await self._store.database()
        by_id = "select id, item from conversation_items where id=$1 and conversation=$2"
        for row in await database.read(by_id, item_id, id) if is_id(item_id) else ():
            return Item(*row)
        raise _no_such_item(item_id, id)

    async def find_item(self, owner: str, item_id: str) -> str | None:
        """The JSON of an item, whichever conversation it is in."""
        if not is_id(item_id):
            return None
        database = await self._store.database()
        rows = await database.read(
            "select item from conversation_items join conversations "
            "on conversations.id = conversation_items.conversation "
            "where conversation_items.id=$1 and owner=$2 limit 1",
            *(item_id, owner),
        )
        return rows[0][0] if rows else None

    async def delete_item(self, owner: str, id: str, item_id: str) -> Conversation:
        """The conversation without the item. Raises NotFound."""
        conversation = await self.find(owner, id)
        await self.item(owner, id, item_id)
        async with (await self._store.database()).write() as query:
            by_id = "delete from conversation_items where id=$1 and conversation=$2 returning id"
            if not await query(by_id, item_id, id):
                raise _no_such_item(item_id, id)
        return conversation

    async def _present(self, query: Query, id: str, items: Sequence[Item]) -> set[str]:
        """The ids among these that the conversation already has."""
        found = set[str]()
        for start in range(0, len(items), _IDS):
            ids = [item.id for item in items[start : start + _IDS]]
            marks = ", ".join(f"${number}" for number in range(2, len(ids) + 2))
            by_ids = f"select id from conversation_items where conversation=$1 and id in ({marks})"
            found.update(one for (one,) in await query(by_ids, id, *ids))
        return found

    async def _insert(self, query: Query, id: str, items: Sequence[Item], position: int) -> None:
        if items:
            await query.many(
                "insert into conversation_items(conversation, position, id, item) "
                "values($1, $2, $3, $4)",
                [(id, at, item.id, item.json) for at, item in enumerate(items, position)],
            )


def no_such_conversation(id: str) -> NotFound:
    return NotFound(f"Conversation with id '{id}' not found.", param="conversation")


def _no_such_item(id: str, conversation: str) -> NotFound:
    return NotFound(
        f"Item with id '{id}' not found in conversation '{conversation}'.", param="item_id"
    )
