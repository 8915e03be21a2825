"""Files: a name, a purpose and bytes, which never change. Only its owner sees a file."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from openedai.errors import ContentMissing, NotFound, PayloadTooLarge
from openedai.store.contents import Writing
from openedai.store.database import Query, Value
from openedai.store.ids import is_id, ordered_id
from openedai.store.quotas import FileLimits, Quotas
from openedai.store.store import Store

PREFIX = "file-"
_COLUMNS = "id, purpose, filename, bytes, created_at, expires_at, owner"


@dataclass(frozen=True)
class FileRecord:
    """`owner` is a digest of the key that it was made with, or empty. Times are seconds since
    1970.
    """

    id: str
    purpose: str
    filename: str
    bytes: int
    created_at: float
    expires_at: float | None
    owner: str


def new_file(
    purpose: str, filename: str, size: int, owner: str, *, seconds: float | None = None
) -> FileRecord:
    """A new file; it expires after `seconds`, if given."""
    now = time.time()
    expires = None if seconds is None else now + seconds
    return FileRecord(ordered_id(PREFIX), purpose, filename, size, now, expires, owner)


class FileWriting:
    """A content that becomes a file, if it does not become too large."""

    def __init__(self, writing: Writing, quotas: Quotas, room: int) -> None:
        self.content = writing
        self._quotas = quotas
        self._room = room

    async def add(self, data: bytes) -> None:
        """Append bytes. Raises PayloadTooLarge, InvalidRequest and Unavailable."""
        size, limit = self.content.size + len(data), self._quotas.limits.file
        if size > limit:
            raise PayloadTooLarge(
                f"The file is larger than the limit of {limit} bytes.",
                code="file_too_large",
                param="file",
            )
        if size > self._room:
            raise self._quotas.exceeded()
        await self.content.add(data)


class Files:
    """`removed` takes a deleted file out of everything that refers to it, in the same transaction,
    and returns the keys of blobs that are no longer used.
    """

    def __init__(
        self,
        store: Store,
        limits: FileLimits,
        removed: Callable[[Query, str], Awaitable[list[str]]] | None = None,
    ) -> None:
        self.quotas = Quotas(limits)
        self._store = store
        self._removed = removed

    @asynccontextmanager
    async def writing(self, owner: str) -> AsyncIterator[FileWriting]:
        """The bytes of a new file. They are deleted if an exception leaves the block."""
        room = await self.quotas.room(await self._store.database(), owner)
        async with self._store.contents.writing() as writing:
            yield FileWriting(writing, self.quotas, room)

    async def create(self, record: FileRecord, writing: FileWriting) -> None:
        """Make the file of what was written. Raises InvalidRequest if there is no room for it."""
        await writing.content.end()
        async with (await self._store.database()).write() as query:
            await self.add(query, record, writing.content)

    async def add(
        self, query: Query, record: FileRecord, content: Writing, *, enforced: bool = True
    ) -> None:
        """The same in a transaction, with a complete content. Quotas do not apply to what the
        server itself makes.
        """
        await self.insert(query, record, enforced=enforced)
        await self._store.contents.record(query, record.id, content)

    async def insert(self, query: Query, record: FileRecord, *, enforced: bool = True) -> None:
        """The file without its content."""
        await self.quotas.add(query, record.owner, record.bytes, enforced=enforced)
        await query.run(
            f"insert into files({_COLUMNS}) values($1, $2, $3, $4, $5, $6, $7)",
            *(record.id, record.purpose, record.filename, record.bytes),
            *(record.created_at, record.expires_at, record.owner),
        )

    async def find(self, owner: str, id: str) -> FileRecord:
        """Raises NotFound, also for a file that has expired."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from files where id=$1 and owner=$2"
        for row in await database.read(by_id, id, owner) if is_id(id) else ():
            record = FileRecord(*row)
            if record.expires_at is None or record.expires_at > time.time():
                return record
        raise no_such_file(id)

    async def page(
        self,
        owner: str,
        limit: int,
        *,
        purpose: str | None = None,
        after: str | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> list[FileRecord]:
        """Files after the id `after`, in the order in which they were made."""
        where = ["owner=$3", "(expires_at is null or expires_at > $1)"]
        values: list[Value] = [time.time(), limit, owner]
        for condition, value in (
            ("purpose=", purpose),
            ("id<" if order == "desc" else "id>", after),
        ):
            if value is not None:
                values.append(value)
                where.append(f"{condition}${len(values)}")
        database = await self._store.database()
        rows = await database.read(
            f"select {_COLUMNS} from files where {' and '.join(where)} "
            f"order by id {order} limit $2",
            *values,
        )
        return [FileRecord(*row) for row in rows]

    async def read(
        self, record: FileRecord, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `end`, exclusive, in chunks. Raises Unavailable, NotFound
        if the file was deleted meanwhile, and ContentMissing.
        """
        database = await self._store.database()
        left = (record.bytes if end is None else min(end, record.bytes)) - start
        with suppress(ContentMissing):
            async with aclosing(
                self._store.contents.read(database, record.id, start, end)
            ) as chunks:
                async for chunk in chunks:
                    left -= len(chunk)
                    yield chunk
        if left > 0:
            if not await database.read("select 1 from files where id=$1", record.id):
                raise no_such_file(record.id)
            raise ContentMissing

    async def delete(self, owner: str, id: str) -> None:
        """Delete a file. Raises NotFound if it does not exist, or another caller has just deleted
        it.
        """
        await self.find(owner, id)
        if not await self._delete(id):
            raise no_such_file(id)

    async def sweep(self) -> None:
        """Delete the files that have expired."""
        database = await self._store.database()
        rows = await database.read("select id from files where expires_at <= $1", time.time())
        for (id,) in rows:
            await self._delete(id)

    async def _delete(self, id: str) -> bool:
        async with (await self._store.database()).write() as query:
            deleted = await query("delete from files where id=$1 returning bytes, owner", id)
            keys = await self._store.contents.remove(query, id)
            for size, owner in deleted:
                await self.quotas.add(query, owner, -size)
            if deleted and self._removed is not None:
                keys += await self._removed(query, id)
        await self._store.contents.discard(keys)
        return bool(deleted)


def no_such_file(id: str) -> NotFound:
    return NotFound(f"No such File object: {id}", param="id")
