"""Containers and their files, which code reads and writes. Only its owner sees a container.

A file is identified by its path: writing there again changes the content of the same file.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from openedai.errors import InvalidRequest, NotFound
from openedai.store.contents import Writing
from openedai.store.database import Query, Row, Value
from openedai.store.ids import is_id, ordered_id
from openedai.store.quotas import Quotas
from openedai.store.store import Store
from openedai.store.vector_stores.pages import Cursor, Found, read_page

PREFIX = "cntr_"
FILE_PREFIX = "cfile_"
MOST_FILES = 1000
_CONTENT_PREFIX = "ccont_"
_COLUMNS = "id, owner, name, created_at, last_active_at, expires_at, status, record"
_FILE_COLUMNS = "id, container, path, content, bytes, created_at, source"
# A container that is used all the time is not updated each time.
_ACTIVE_SECONDS = 5.0
_MINUTE = 60.0
# How long an expired container is still shown.
_SHOWN_SECONDS = 30 * 86400.0

Source = Literal["user", "assistant"]


class ContainerFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that are not searched for. The container expires `minutes` after its last
    activity.
    """

    minutes: int = 20
    memory: str = "1g"


@dataclass(frozen=True)
class Container:
    """Times are seconds since 1970. The `status` is `running` or `expired`."""

    id: str
    owner: str
    name: str
    created_at: float
    last_active_at: float
    expires_at: float
    status: str
    fields: ContainerFields

    @property
    def expired(self) -> bool:
        return self.status == "expired" or self.expires_at <= time.time()


@dataclass(frozen=True)
class ContainerFile:
    """`path` is absolute, `content` the id of what holds its bytes."""

    id: str
    container: str
    path: str
    content: str
    bytes: int
    created_at: float
    source: Source


def new_container(owner: str, name: str, fields: ContainerFields, id: str = "") -> Container:
    """A container with this id, or else with a new one."""
    now = time.time()
    expires = now + _MINUTE * fields.minutes
    return Container(id or ordered_id(PREFIX), owner, name, now, now, expires, "running", fields)


class Containers:
    def __init__(self, store: Store, quotas: Quotas) -> None:
        self._store = store
        self._quotas = quotas

    async def create(self, made: Container) -> None:
        async with (await self._store.database()).write() as query:
            await query.run(
                f"insert into containers({_COLUMNS}) values($1, $2, $3, $4, $5, $6, $7, $8)",
                *(made.id, made.owner, made.name, made.created_at, made.last_active_at),
                *(made.expires_at, made.status, msgspec.json.encode(made.fields).decode()),
            )

    async def find(self, owner: str, id: str) -> Container:
        """The container, even if it has expired. Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from containers where id=$1 and owner=$2"
        for row in await database.read(by_id, id, owner) if is_id(id) else ():
            return _container(row)
        raise no_such_container(id)

    async def is_running(self, id: str) -> bool:
        database = await self._store.database()
        return bool(
            await database.read("select 1 from containers where id=$1 and status=$2", id, "running")
        )

    async def page(self, owner: str, cursor: Cursor, name: str | None = None) -> Found[Container]:
        """Containers in the order in which they were made; with `name` only those with this
        name.
        """
        select = f"select {_COLUMNS} from containers where owner=$1"
        args: list[Value] = [owner]
        if name is not None:
            select += " and name=$2"
            args.append(name)
        found = await read_page(await self._store.database(), select, "id", args, cursor)
        return Found([_container(row) for row in found.items], found.has_more)

    async def touch(self, container: Container) -> Container:
        """The container with its expiry counted from now on."""
        now = time.time()
        if now - container.last_active_at < _ACTIVE_SECONDS:
            return container
        expires = now + _MINUTE * container.fields.minutes
        async with (await self._store.database()).write() as query:
            await query.run(
                "update containers set last_active_at=$1, expires_at=$2 where id=$3 and status=$4",
                *(now, expires, container.id, "running"),
            )
        return replace(container, last_active_at=now, expires_at=expires)

    async def delete(self, owner: str, id: str) -> None:
        """Delete a container. Raises NotFound if it does not exist, or another caller has just
        deleted it.
        """
        async with (await self._store.database()).write() as query:
            deleted = await query(
                "delete from containers where id=$1 and owner=$2 returning id", id, owner
            )
            keys = await self._remove_files(query, id, owner) if deleted else []
        await self._store.contents.discard(keys)
        if not deleted:
            raise no_such_container(id)

    async def sweep(self) -> list[str]:
        """End expired containers, and delete those that ended long ago. Returns the ids of the
        former.
        """
        database = await self._store.database()
        now = time.time()
        rows = await database.read(
            "select id, owner from containers where status=$1 and expires_at <= $2", "running", now
        )
        for id, owner in rows:
            async with database.write() as query:
                ended = await query(
                    "update containers set status=$1 where id=$2 and expires_at <= $3 returning id",
                    *("expired", id, now),
                )
                keys = await self._remove_files(query, id, owner) if ended else []
            await self._store.contents.discard(keys)
        async with database.write() as query:
            await query.run(
                "delete from containers where status=$1 and expires_at <= $2",
                *("expired", now - _SHOWN_SECONDS),
            )
        return [id for id, _ in rows]

    async def files(self, container: str) -> list[ContainerFile]:
        """All files, in the order in which they were made."""
        cursor = Cursor(limit=MOST_FILES, order="asc")
        return (await self.files_page(container, cursor)).items

    async def files_page(self, container: str, cursor: Cursor) -> Found[ContainerFile]:
        select = f"select {_FILE_COLUMNS} from container_files where container=$1"
        database = await self._store.database()
        found = await read_page(database, select, "id", [container], cursor)
        return Found([ContainerFile(*row) for row in found.items], found.has_more)

    async def file(self, container: str, id: str) -> ContainerFile:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_FILE_COLUMNS} from container_files where container=$1 and id=$2"
        for row in await database.read(by_id, container, id) if is_id(id) else ():
            return ContainerFile(*row)
        raise NotFound(f"Container file '{id}' not found.", param="file_id")

    async def put(
        self, container: Container, path: str, source: Source, writing: Writing
    ) -> ContainerFile:
        """Make a file of what was written, or change the file at this path.

        Raises NotFound if the container has just ended, and InvalidRequest if there is no room.
        """
        await writing.end()
        old: list[str] = []
        made = ContainerFile(
            *(ordered_id(FILE_PREFIX), container.id, path, ordered_id(_CONTENT_PREFIX)),
            *(writing.size, time.time(), source),
        )
        async with (await self._store.database()).write() as query:
            await self._lock(query, container)
            size = made.bytes
            for row in await query(
                f"delete from container_files where container=$1 and path=$2 "
                f"returning {_FILE_COLUMNS}",
                *(container.id, path),
            ):
                known = ContainerFile(*row)
                old = await self._store.contents.remove(query, known.content)
                made = replace(made, id=known.id, created_at=known.created_at)
                size -= known.bytes
            await self._check_count(query, container)
            await self._quotas.add(query, container.owner, size)
            await query.run(
                f"insert into container_files({_FILE_COLUMNS}) values($1, $2, $3, $4, $5, $6, $7)",
                *(made.id, made.container, made.path, made.content, made.bytes),
                *(made.created_at, made.source),
            )
            await self._store.contents.record(query, made.content, writing)
        await self._store.contents.discard(old)
        return made

    async def remove(self, container: Container, id: str) -> bool:
        """Delete a file. Returns whether it still existed."""
        async with (await self._store.database()).write() as query:
            await self._lock(query, container)
            deleted = await query(
                "delete from container_files where container=$1 and id=$2 returning content, bytes",
                *(container.id, id),
            )
            keys: list[str] = []
            for content, size in deleted:
                keys += await self._store.contents.remove(query, content)
                await self._quotas.add(query, container.owner, -size)
        await self._store.contents.discard(keys)
        return bool(deleted)

    async def read(
        self, file: ContainerFile, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `end`, exclusive, in chunks. Raises Unavailable and
        APIError.
        """
        database = await self._store.database()
        async with aclosing(
            self._store.contents.read(database, file.content, start, end)
        ) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _lock(self, query: Query, container: Container) -> None:
        """Lock the container's files until the end of the transaction. Raises NotFound."""
        found = await query(
            "update containers set status=status where id=$1 and status=$2 returning id",
            *(container.id, "running"),
        )
        if not found:
            raise no_such_container(container.id)

    async def _check_count(self, query: Query, container: Container) -> None:
        ((count,),) = await query(
            "select count(*) from container_files where container=$1", container.id
        )
        if count >= MOST_FILES:
            raise InvalidRequest(
                f"A container may have {MOST_FILES} files.", code="too_many_files", param="file"
            )

    async def _remove_files(self, query: Query, container: str, owner: str) -> list[str]:
        """Delete all files. Returns the keys of their blobs."""
        rows = await query(
            "delete from container_files where container=$1 returning content, bytes", container
        )
        keys: list[str] = []
        for content, size in rows:
            keys += await self._store.contents.remove(query, content)
            await self._quotas.add(query, owner, -size)
        return keys


def no_such_container(id: str) -> NotFound:
    return NotFound(f"Container with id '{id}' not found.", param="container_id")


def _container(row: Row) -> Container:
    id, owner, name, created, active, expires, status, record = row
    fields = msgspec.json.decode(record, type=ContainerFields)
    return Container(id, owner, name, created, active, expires, status, fields)
