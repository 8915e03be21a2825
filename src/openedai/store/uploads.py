"""Uploads: files that arrive in parts. The blobs of the parts become those of the file, without
copying.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

from openedai.errors import InvalidRequest, NotFound, PayloadTooLarge, invalid_value
from openedai.store.contents import Writing
from openedai.store.database import Query
from openedai.store.files import FileRecord, Files, new_file
from openedai.store.ids import is_id, ordered_id
from openedai.store.store import Store

PART_BYTES = 64 << 20
_PENDING_SECONDS = 3600.0
# How long an upload can still be retrieved after it has ended.
_KEPT_SECONDS = 30 * 86400.0
_COLUMNS = (
    "id, status, purpose, filename, bytes, created_at, expires_at, file_seconds, file_id, owner"
)

Status = Literal["pending", "completed", "cancelled", "expired"]


@dataclass(frozen=True)
class UploadRecord:
    """`bytes` is the size that the file will have; the file expires `file_seconds` after it is
    made.

    Times are seconds since 1970.
    """

    id: str
    status: Status
    purpose: str
    filename: str
    bytes: int
    created_at: float
    expires_at: float
    file_seconds: float | None
    file_id: str | None
    owner: str


@dataclass(frozen=True)
class PartRecord:
    id: str
    upload_id: str
    bytes: int
    created_at: float


class Uploads:
    def __init__(self, store: Store, files: Files) -> None:
        self._store = store
        self._files = files

    async def create(
        self, purpose: str, filename: str, size: int, owner: str, seconds: float | None
    ) -> UploadRecord:
        """A new upload, pending for an hour. Raises InvalidRequest if there is no room."""
        database = await self._store.database()
        if size > await self._files.quotas.room(database, owner):
            raise self._files.quotas.exceeded()
        now, id = time.time(), ordered_id("upload_")
        record = UploadRecord(
            *(id, "pending", purpose, filename, size, now, now + _PENDING_SECONDS),
            *(seconds, None, owner),
        )
        async with database.write() as query:
            await query.run(
                f"insert into uploads({_COLUMNS}) values($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                *(record.id, record.status, record.purpose, record.filename, record.bytes),
                *(record.created_at, record.expires_at, record.file_seconds, None, owner),
            )
        return record

    @asynccontextmanager
    async def writing(self, owner: str, id: str) -> AsyncIterator[PartWriting]:
        """The bytes of a new part. They are deleted if an exception leaves the block.

        Raises NotFound, and InvalidRequest for an upload that is not pending.
        """
        await self._find(owner, id)
        room = await self._files.quotas.room(await self._store.database(), owner)
        async with self._store.contents.writing() as writing:
            yield PartWriting(writing, self._files, room)

    async def add_part(self, id: str, writing: PartWriting) -> PartRecord:
        """Make what was written a part of this upload."""
        await writing.content.end()
        part = PartRecord(ordered_id("part_"), id, writing.content.size, time.time())
        async with (await self._store.database()).write() as query:
            record = await self._pending(query, id)
            await self._files.quotas.add(query, record.owner, part.bytes)
            await query.run(
                "insert into upload_parts(id, upload_id, bytes, created_at) values($1, $2, $3, $4)",
                *(part.id, part.upload_id, part.bytes, part.created_at),
            )
            await self._store.contents.record(query, part.id, writing.content)
        return part

    async def complete(
        self, owner: str, id: str, part_ids: Sequence[str], md5: str | None
    ) -> tuple[UploadRecord, FileRecord]:
        """Make the file from these parts, in this order. Other parts are deleted.

        Raises NotFound, and InvalidRequest if the parts do not make up the file.
        """
        await self._check(await self._find(owner, id), part_ids)
        if md5 is not None and await self._md5(part_ids) != md5.lower():
            raise invalid_value("md5", "it is not that of the parts in this order")
        async with (await self._store.database()).write() as query:
            record = await self._pending(query, id)
            made = new_file(
                record.purpose,
                record.filename,
                record.bytes,
                record.owner,
                seconds=record.file_seconds,
            )
            await self._store.contents.join(query, part_ids, made.id)
            keys = await self._remove_parts(query, record)
            await self._files.insert(query, made, enforced=False)
            await self._end(query, id, "completed", made.id)
        await self._store.contents.discard(keys)
        return replace(record, status="completed", file_id=made.id), made

    async def cancel(self, owner: str, id: str) -> UploadRecord:
        """Raises NotFound, and InvalidRequest for an upload that is not pending."""
        await self._find(owner, id)
        async with (await self._store.database()).write() as query:
            record = await self._pending(query, id)
            keys = await self._remove_parts(query, record)
            await self._end(query, id, "cancelled", None)
        await self._store.contents.discard(keys)
        return replace(record, status="cancelled")

    async def sweep(self) -> None:
        """End the uploads that have expired, and forget old ones."""
        database, now = await self._store.database(), time.time()
        rows = await database.read(
            "select id from uploads where status='pending' and expires_at <= $1", now
        )
        for (id,) in rows:
            async with database.write() as query:
                found = await query(
                    "update uploads set status='expired' where id=$1 and status='pending' "
                    f"returning {_COLUMNS}",
                    id,
                )
                keys = [
                    key
                    for row in found
                    for key in await self._remove_parts(query, UploadRecord(*row))
                ]
            await self._store.contents.discard(keys)
        async with database.write() as query:
            await query.run(
                "delete from uploads where status <> 'pending' and expires_at <= $1",
                now - _KEPT_SECONDS,
            )

    async def _find(self, owner: str, id: str) -> UploadRecord:
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from uploads where id=$1 and owner=$2"
        for row in await database.read(by_id, id, owner) if is_id(id) else ():
            return _if_pending(UploadRecord(*row))
        raise NotFound(f"No such Upload object: {id}", param="upload_id")

    async def _pending(self, query: Query, id: str) -> UploadRecord:
        """Lock the upload until the end of the transaction, and return it."""
        lock = (await self._store.database()).for_update
        ((*row,),) = await query(f"select {_COLUMNS} from uploads where id=$1{lock}", id)
        return _if_pending(UploadRecord(*row))

    async def _check(self, record: UploadRecord, part_ids: Sequence[str]) -> None:
        database = await self._store.database()
        rows = await database.read(
            "select id, bytes from upload_parts where upload_id=$1", record.id
        )
        sizes: dict[str, int] = dict(rows)
        if len(set(part_ids)) < len(part_ids):
            raise invalid_value("part_ids", "a part is in it twice")
        for index, id in enumerate(part_ids):
            if id not in sizes:
                raise invalid_value(f"part_ids[{index}]", "the upload has no such part")
        size = sum(sizes[id] for id in part_ids)
        if size != record.bytes:
            raise invalid_value(
                "part_ids", f"the parts have {size} bytes, and the upload is of {record.bytes}"
            )

    async def _md5(self, part_ids: Sequence[str]) -> str:
        database = await self._store.database()
        digest = hashlib.md5(usedforsecurity=False)
        for id in part_ids:
            async for chunk in self._store.contents.read(database, id):
                await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()

    async def _remove_parts(self, query: Query, record: UploadRecord) -> list[str]:
        """Remove all parts of an upload, with the blobs that they still have."""
        parts = await query(
            "delete from upload_parts where upload_id=$1 returning id, bytes", record.id
        )
        keys = [key for id, _ in parts for key in await self._store.contents.remove(query, id)]
        await self._files.quotas.add(query, record.owner, -sum(size for _, size in parts))
        return keys

    async def _end(self, query: Query, id: str, status: Status, file_id: str | None) -> None:
        await query.run("update uploads set status=$1, file_id=$2 where id=$3", status, file_id, id)


class PartWriting:
    """A content that becomes a part, if it does not become too large."""

    def __init__(self, writing: Writing, files: Files, room: int) -> None:
        self.content = writing
        self._files = files
        self._room = room

    async def add(self, data: bytes) -> None:
        """Append bytes. Raises PayloadTooLarge, InvalidRequest and Unavailable."""
        size = self.content.size + len(data)
        if size > PART_BYTES:
            raise PayloadTooLarge(
                f"The part is larger than the limit of {PART_BYTES} bytes.",
                code="file_too_large",
                param="data",
            )
        if size > self._room:
            raise self._files.quotas.exceeded()
        await self.content.add(data)


def _if_pending(record: UploadRecord) -> UploadRecord:
    status = record.status
    if status == "pending" and record.expires_at <= time.time():
        status = "expired"
    if status != "pending":
        raise InvalidRequest(
            f"The upload {record.id} is {status}: it takes no more parts and cannot be completed "
            "or cancelled.",
            code="upload_not_pending",
            param="upload_id",
        )
    return record
