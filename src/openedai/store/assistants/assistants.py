"""Assistants: models with instructions and tools. Only its owner sees an assistant."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from openedai.errors import NotFound
from openedai.store.database import Row
from openedai.store.ids import is_id, ordered_id
from openedai.store.store import Store
from openedai.store.vector_stores.pages import Cursor, Found, read_page

PREFIX = "asst_"
_COLUMNS = "id, owner, created_at, record"


class AssistantFields(msgspec.Struct, frozen=True, kw_only=True):
    """`tools`, `response_format` and the resources are as the API shows them.

    `stores` are the ids of vector stores, `code_files` of files for code; None for an assistant
    without such resources.
    """

    model: str
    name: str | None = None
    description: str | None = None
    instructions: str | None = None
    tools: list[dict[str, Any]] = []
    stores: list[str] | None = None
    code_files: list[str] | None = None
    metadata: dict[str, str] = {}
    temperature: float | None = None
    top_p: float | None = None
    response_format: Any = "auto"
    reasoning_effort: str | None = None


@dataclass(frozen=True)
class Assistant:
    """`created_at` is in seconds since 1970."""

    id: str
    owner: str
    created_at: float
    fields: AssistantFields


class Assistants:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, owner: str, fields: AssistantFields) -> Assistant:
        made = Assistant(ordered_id(PREFIX), owner, time.time(), fields)
        async with (await self._store.database()).write() as query:
            await query.run(
                f"insert into assistants({_COLUMNS}) values($1, $2, $3, $4)",
                *(made.id, made.owner, made.created_at, _text(fields)),
            )
        return made

    async def find(self, owner: str, id: str) -> Assistant:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from assistants where id=$1 and owner=$2"
        for row in await database.read(by_id, id, owner) if is_id(id) else ():
            return _assistant(row)
        raise no_such_assistant(id)

    async def update(self, owner: str, id: str, **fields: Any) -> Assistant:
        """The assistant with changed fields. Raises NotFound."""
        await self.find(owner, id)
        database = await self._store.database()
        async with database.write() as query:
            by_id = f"select {_COLUMNS} from assistants where id=$1 and owner=$2"
            for row in await query(by_id + database.for_update, id, owner):
                found = _assistant(row)
                changed = msgspec.structs.replace(found.fields, **fields)
                await query.run("update assistants set record=$1 where id=$2", _text(changed), id)
                return replace(found, fields=changed)
        raise no_such_assistant(id)

    async def delete(self, owner: str, id: str) -> None:
        """Delete an assistant, but keep what it has answered. Raises NotFound."""
        await self.find(owner, id)
        async with (await self._store.database()).write() as query:
            by_id = "delete from assistants where id=$1 and owner=$2 returning id"
            if not await query(by_id, id, owner):
                raise no_such_assistant(id)

    async def page(self, owner: str, cursor: Cursor) -> Found[Assistant]:
        """Assistants in the order in which they were made."""
        select = f"select {_COLUMNS} from assistants where owner=$1"
        found = await read_page(await self._store.database(), select, "id", [owner], cursor)
        return Found(list(map(_assistant, found.items)), found.has_more)


def no_such_assistant(id: str) -> NotFound:
    return NotFound(f"No assistant found with id '{id}'.", param="assistant_id")


def _assistant(row: Row) -> Assistant:
    id, owner, created_at, record = row
    return Assistant(id, owner, created_at, msgspec.json.decode(record, type=AssistantFields))


def _text(fields: AssistantFields) -> str:
    return msgspec.json.encode(fields).decode()
