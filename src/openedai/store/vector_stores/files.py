"""The files of vector stores, and the batches in which they were added.

A file that is searched has a segment: a content with its text and its vectors, which never changes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from openedai.errors import NotFound, invalid_value
from openedai.store.database import Query, Row, Value
from openedai.store.ids import is_id, ordered_id
from openedai.store.store import Store
from openedai.store.vector_stores.pages import Cursor, Found, read_page
from openedai.store.vector_stores.stores import FileStatus, VectorStores

ENTRY, BATCH, SEGMENT = "vsfile_", "vsfb_", "vsseg_"
_COLUMNS = "store, file, entry, status, batch, bytes, revision, segment, record"

Attributes = dict[str, str | float | bool]
ErrorCode = Literal["server_error", "unsupported_file", "invalid_file"]


class Chunking(msgspec.Struct, frozen=True):
    """The most tokens of a chunk, and how many of them the next chunk repeats."""

    size: int = 800
    overlap: int = 400


class FileError(msgspec.Struct, frozen=True):
    code: ErrorCode
    message: str


class FileFields(msgspec.Struct, frozen=True, kw_only=True):
    created_at: float
    filename: str
    attributes: Attributes = {}
    chunking: Chunking = Chunking()
    error: FileError | None = None


@dataclass(frozen=True)
class StoreFile:
    """A file in a store. `entry` is new each time it is added; it is also the id of the job that
    makes its segment. `bytes` is the size of the segment, `revision` the store's revision at which
    the file last changed for searches, `segment` the holder of a content.
    """

    store: str
    file: str
    entry: str
    status: FileStatus
    batch: str | None
    bytes: int
    revision: int
    segment: str | None
    fields: FileFields


@dataclass(frozen=True)
class FileBatch:
    id: str
    store: str
    created_at: float
    cancelled: bool


@dataclass(frozen=True)
class Changes:
    """What happened to the searched files of a store: files that are new or changed, and the ids of
    files that were removed.
    """

    removed: list[str]
    files: list[StoreFile]


def new_entries(count: int) -> list[str]:
    """Ids for files that are added together, in this order."""
    return sorted(ordered_id(ENTRY) for _ in range(count))


def new_store_file(
    entry: str, store: str, file: str, filename: str, batch: str | None, **fields: object
) -> StoreFile:
    """A new file, whose segment has not been made yet."""
    made = msgspec.convert({"created_at": time.time(), "filename": filename}, FileFields)
    made = msgspec.structs.replace(made, **fields)
    return StoreFile(store, file, entry, "in_progress", batch, 0, 0, None, made)


class VectorStoreFiles:
    """Methods that take a query are part of its transaction; those that remove contents return the
    keys to `discard` after the commit. While a segment is being made, its job may hold vectors for
    it.
    """

    def __init__(self, store: Store) -> None:
        self.stores = VectorStores(store)
        self._store = store

    async def add(self, query: Query, new: StoreFile) -> list[str]:
        """Add a file; it replaces the same file if the store already has it."""
        keys = await self.remove(query, new.store, new.file)
        await query.run(
            f"insert into vector_store_files({_COLUMNS}) "
            "values($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            *(new.store, new.file, new.entry, new.status, new.batch),
            *(new.bytes, new.revision, new.segment, _text(new.fields)),
        )
        return keys

    async def find(self, store: str, file: str) -> StoreFile:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from vector_store_files where store=$1 and file=$2"
        for row in await database.read(by_id, store, file) if is_id(file) else ():
            return _file(row)
        raise no_such_file(file, store)

    async def lock(self, query: Query, store: str, file: str) -> StoreFile:
        """Lock the file until the end of the transaction, and return it.

        Raises NotFound.
        """
        suffix = (await self._store.database()).for_update
        by_id = f"select {_COLUMNS} from vector_store_files where store=$1 and file=$2{suffix}"
        for row in await query(by_id, store, file):
            return _file(row)
        raise no_such_file(file, store)

    async def complete(self, query: Query, file: StoreFile, segment: str, size: int) -> bool:
        """Let the file be searched from now on. Returns whether it was still in progress."""
        revision = await self.stores.raise_revision(query, file.store)
        if revision is None:
            return False
        rows = await query(
            "update vector_store_files set status='completed', bytes=$1, revision=$2, segment=$3 "
            "where store=$4 and file=$5 and entry=$6 and status='in_progress' returning entry",
            *(size, revision, segment, file.store, file.file, file.entry),
        )
        return bool(rows)

    async def fail(
        self, query: Query, store: str, file: str, entry: str, error: FileError
    ) -> list[str]:
        """Mark the file as failed, if it was still in progress."""
        try:
            found = await self.lock(query, store, file)
        except NotFound:
            return []
        if found.entry == entry and found.status == "in_progress":
            fields = msgspec.structs.replace(found.fields, error=error)
            await self._set(query, replace(found, status="failed", fields=fields))
        return await self._store.contents.remove(query, entry)

    async def cancel(self, query: Query, batch: str) -> list[str]:
        """Cancel the files of a batch that are still in progress."""
        rows = await query(
            "update vector_store_files set status='cancelled' "
            "where batch=$1 and status='in_progress' returning entry",
            batch,
        )
        if rows:
            await query.run("update vector_store_batches set cancelled=1 where id=$1", batch)
        contents = self._store.contents
        return [key for (entry,) in rows for key in await contents.remove(query, entry)]

    async def set_attributes(self, query: Query, file: StoreFile, attributes: Attributes) -> None:
        """The file with new attributes, which the next search uses."""
        await self.stores.raise_revision(query, file.store)
        revision = "(select revision from vector_stores where id=$2)"
        fields = msgspec.structs.replace(file.fields, attributes=attributes)
        await query.run(
            f"update vector_store_files set record=$1, revision={revision} "
            "where store=$2 and file=$3",
            *(_text(fields), file.store, file.file),
        )

    async def remove(self, query: Query, store: str, file: str | None = None) -> list[str]:
        """Remove a file, or all files, from a store."""
        revision = await self.stores.raise_revision(query, store)
        args: list[Value] = [store] if file is None else [store, file]
        where = "store=$1" if file is None else "store=$1 and file=$2"
        deleted = f"delete from vector_store_files where {where} returning file, entry, segment"
        keys: list[str] = []
        for name, entry, segment in await query(deleted, *args):
            if segment is None:
                keys += await self._store.contents.remove(query, entry)
                continue
            keys += await self._store.contents.remove(query, segment)
            await query.run(
                "insert into vector_store_removals(store, file, revision) values($1, $2, $3) "
                "on conflict(store, file) do update set revision=excluded.revision",
                *(store, name, revision),
            )
        return keys

    async def remove_file(self, query: Query, file: str) -> list[str]:
        """Remove a file from every store, because it is deleted."""
        by_file = "select store from vector_store_files where file=$1 order by store"
        keys: list[str] = []
        for (store,) in await query(by_file, file):  # in an order, so that no two wait in a circle
            keys += await self.remove(query, store, file)
        return keys

    async def page(
        self,
        store: str,
        cursor: Cursor,
        *,
        status: FileStatus | None = None,
        batch: str | None = None,
    ) -> Found[StoreFile]:
        """Files in the order in which they were added. The cursor has ids of files in the store.

        Raises InvalidRequest for others.
        """
        database = await self._store.database()
        where, args = "store=$1", [store]
        for column, value in (("status", status), ("batch", batch)):
            if value is not None:
                args.append(value)
                where += f" and {column}=${len(args)}"
        by_entry = replace(
            cursor,
            after=await self._entry(store, "after", cursor.after),
            before=await self._entry(store, "before", cursor.before),
        )
        select = f"select {_COLUMNS} from vector_store_files where {where}"
        found = await read_page(database, select, "entry", args, by_entry)
        return Found(list(map(_file, found.items)), found.has_more)

    async def unfinished(
        self, query: Query, of: Literal["store", "file", "batch"], id: str
    ) -> list[str]:
        """The entries of a store, batch or file whose segments have not been made yet."""
        rows = await query(
            f"select entry from vector_store_files where {of}=$1 and status='in_progress'", id
        )
        return [entry for (entry,) in rows]

    async def changes(self, store: str, after: int) -> Changes:
        """What changed for searches after a revision, up to the present or an even later one."""
        database = await self._store.database()
        removed = await database.read(
            "select file from vector_store_removals where store=$1 and revision>$2", store, after
        )
        rows = await database.read(
            f"select {_COLUMNS} from vector_store_files "
            "where store=$1 and revision>$2 and status='completed' order by revision, file",
            *(store, after),
        )
        return Changes([file for (file,) in removed], list(map(_file, rows)))

    async def add_batch(self, query: Query, batch: FileBatch) -> None:
        await query.run(
            "insert into vector_store_batches(id, store, created_at, cancelled) "
            "values($1, $2, $3, $4)",
            *(batch.id, batch.store, batch.created_at, int(batch.cancelled)),
        )

    async def batch(self, store: str, id: str) -> FileBatch:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = (
            "select id, store, created_at, cancelled from vector_store_batches "
            "where id=$1 and store=$2"
        )
        for *columns, cancelled in await database.read(by_id, id, store) if is_id(id) else ():
            values = (*columns, bool(cancelled))
            return FileBatch(*values)
        raise NotFound(
            f"No file batch found with id '{id}' in vector store '{store}'.", param="batch_id"
        )

    async def _entry(self, store: str, param: str, file: str | None) -> str | None:
        if file is None:
            return None
        database = await self._store.database()
        by_id = "select entry from vector_store_files where store=$1 and file=$2"
        for (entry,) in await database.read(by_id, store, file):
            return str(entry)
        raise invalid_value(param, "the vector store has no such file")

    async def _set(self, query: Query, file: StoreFile) -> None:
        await query.run(
            "update vector_store_files set status=$1, record=$2 where store=$3 and file=$4",
            *(file.status, _text(file.fields), file.store, file.file),
        )


def no_such_file(file: str, store: str) -> NotFound:
    return NotFound(f"No file found with id '{file}' in vector store '{store}'.", param="file_id")


def _file(row: Row) -> StoreFile:
    values = (*row[:-1], msgspec.json.decode(row[-1], type=FileFields))
    return StoreFile(*values)


def _text(fields: FileFields) -> str:
    return msgspec.json.encode(fields).decode()
