"""Contents of any length: lists of blobs, each with a holder, such as a file.

Blobs are written before their rows, and deleted after them: a server that is killed in between
leaves blobs without rows, which the sweep deletes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from openedai.store.blobs import Blobs
from openedai.store.database import Database, Query

BLOB_BYTES = 8 << 20
# The most that a content holds in memory while it is being written.
MEMORY_BYTES = 2 * BLOB_BYTES
# A blob without a row that is at least this old belongs to nobody.
_ORPHAN_SECONDS = 86400.0


@dataclass
class Writing:
    """A content that is being written. It has no holder until `Contents.record`."""

    blobs: Blobs
    size: int = 0
    written: list[tuple[str, int]] = field(default_factory=list)
    recorded: bool = False
    _pending: bytearray = field(default_factory=bytearray)

    async def add(self, data: bytes | bytearray) -> None:
        """Append bytes. Raises Unavailable."""
        self.size += len(data)
        self._pending += data
        while len(self._pending) >= BLOB_BYTES:
            await self._put(self._pending[:BLOB_BYTES])
            del self._pending[:BLOB_BYTES]

    async def end(self) -> None:
        """Write what remains. Raises Unavailable."""
        if self._pending:
            await self._put(self._pending)
            self._pending = bytearray()

    async def _put(self, data: bytearray) -> None:
        self.written.append((await self.blobs.put(data), len(data)))


class Contents:
    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Writing]:
        """A new content. Its blobs are deleted if an exception leaves the block before `record`."""
        writing = Writing(self.blobs)
        try:
            yield writing
        except BaseException:
            if not writing.recorded:
                await self.discard(key for key, _ in writing.written)
            raise

    async def record(self, query: Query, holder: str, writing: Writing, position: int = 0) -> None:
        """Give a complete content to its holder, in the transaction that makes the holder.

        From then on an exception leaves the blobs to the sweep, because the commit may have
        succeeded.
        """
        writing.recorded = True
        await query.many(
            "insert into blobs(key, holder, position, size) values($1, $2, $3, $4)",
            [(key, holder, at, size) for at, (key, size) in enumerate(writing.written, position)],
        )

    async def append(self, query: Query, holder: str, writing: Writing) -> None:
        """Append a complete content to that of its holder, which nobody else may change
        meanwhile.
        """
        after = "select coalesce(max(position) + 1, 0) from blobs where holder=$1"
        ((position,),) = await query(after, holder)
        await self.record(query, holder, writing, int(position))

    async def join(self, query: Query, holders: Iterable[str], new_holder: str) -> None:
        """Join several contents into one, in this order; the bytes are not copied."""
        position = 0
        for holder in holders:
            keys = await query("select key from blobs where holder=$1 order by position", holder)
            rows = [(new_holder, at, key) for at, (key,) in enumerate(keys, position)]
            await query.many("update blobs set holder=$1, position=$2 where key=$3", rows)
            position += len(rows)

    async def remove(self, query: Query, holder: str) -> list[str]:
        """Take the content from its holder. `discard` the returned keys after the commit."""
        rows = await query("delete from blobs where holder=$1 returning key", holder)
        return [key for (key,) in rows]

    async def discard(self, keys: Iterable[str]) -> None:
        """Delete blobs that have no rows."""
        await self.blobs.delete(keys)

    async def read(
        self, database: Database, holder: str, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `end`, exclusive, in chunks of at most some MB.

        Raises Unavailable, and ContentMissing.
        """
        rows = await database.read(
            "select key, size from blobs where holder=$1 order by position", holder
        )
        offset = 0
        for key, size in rows:
            first = max(start - offset, 0)
            last = size if end is None else min(end - offset, size)
            offset += size
            if first < last:
                async with aclosing(self.blobs.read(key, first, last)) as chunks:
                    async for chunk in chunks:
                        yield chunk

    async def sweep(self, database: Database) -> None:
        """Delete blobs without rows."""
        async for keys in self.blobs.older_than(_ORPHAN_SECONDS):
            for key in keys:
                if not await database.read("select 1 from blobs where key=$1", key):
                    await self.blobs.delete([key])
        await self.blobs.delete_parts(_ORPHAN_SECONDS)
