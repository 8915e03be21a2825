"""Vector stores, without their files. Only its owner sees a store.

Every change to what a search finds raises the `revision` of the store, in the same transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from openedai.errors import NotFound
from openedai.store.database import Query, Row
from openedai.store.ids import is_id, ordered_id
from openedai.store.store import Store
from openedai.store.vector_stores.pages import Cursor, Found, read_page

PREFIX = "vs_"
_DAY = 86400.0
_COLUMNS = "id, owner, created_at, last_active_at, expires_at, revision, record"
# A store that is searched all the time is not updated each time.
_ACTIVE_SECONDS = 60.0

FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]


class StoreFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that are not searched for, all in one column.

    The store expires `days` after its last activity. `model` embeds its files and its queries.
    `dimensions` and `probe`, the model's vector of a fixed text, are set by the first file; they
    show whether the model is still the same.
    """

    name: str = ""
    description: str | None = None
    metadata: dict[str, str] = {}
    days: int | None = None
    model: str
    dimensions: int | None = None
    probe: bytes | None = None


@dataclass(frozen=True)
class VectorStore:
    """`owner` is a digest of the key that it was made with, or empty. Times are seconds since
    1970.
    """

    id: str
    owner: str
    created_at: float
    last_active_at: float
    expires_at: float | None
    revision: int
    fields: StoreFields

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= time.time()

    def active(self) -> VectorStore:
        """The store with its expiry counted from now on."""
        now = time.time()
        return replace(self, last_active_at=now, expires_at=_expiry(now, self.fields.days))

    def changed(self, fields: StoreFields) -> VectorStore:
        """The store with changed fields, and the expiry that results from them."""
        return replace(self, fields=fields, expires_at=_expiry(self.last_active_at, fields.days))


@dataclass(frozen=True)
class Counts:
    """The files of a store or of a batch by their status, and the bytes that they use."""

    files: dict[str, int] = field(default_factory=dict)
    bytes: int = 0

    def of(self, status: FileStatus) -> int:
        return self.files.get(status, 0)

    @property
    def total(self) -> int:
        return sum(self.files.values())


def new_store(owner: str, fields: StoreFields) -> VectorStore:
    now = time.time()
    return VectorStore(ordered_id(PREFIX), owner, now, now, _expiry(now, fields.days), 0, fields)


class VectorStores:
    """Methods that take a query are part of its transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert(self, query: Query, made: VectorStore) -> None:
        await query.run(
            f"insert into vector_stores({_COLUMNS}) values($1, $2, $3, $4, $5, $6, $7)",
            *(made.id, made.owner, made.created_at, made.last_active_at),
            *(made.expires_at, made.revision, _text(made.fields)),
        )

    async def find(self, owner: str, id: str) -> VectorStore:
        """The store, even if it has expired. Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from vector_stores where id=$1 and owner=$2"
        for row in await database.read(by_id, id, owner) if is_id(id) else ():
            return _store(row)
        raise no_such_store(id)

    async def load(self, id: str) -> VectorStore:
        """The store for a job, whoever owns it. Raises NotFound."""
        database = await self._store.database()
        for row in await database.read(f"select {_COLUMNS} from vector_stores where id=$1", id):
            return _store(row)
        raise no_such_store(id)

    async def lock(self, query: Query, id: str) -> VectorStore:
        """Lock the store until the end of the transaction, and return it.

        Raises NotFound.
        """
        suffix = (await self._store.database()).for_update
        by_id = f"select {_COLUMNS} from vector_stores where id=$1{suffix}"
        for row in await query(by_id, id):
            return _store(row)
        raise no_such_store(id)

    async def update(self, query: Query, changed: VectorStore) -> None:
        """Update everything but the revision."""
        await query.run(
            "update vector_stores set last_active_at=$1, expires_at=$2, record=$3 where id=$4",
            *(changed.last_active_at, changed.expires_at, _text(changed.fields), changed.id),
        )

    async def touch(self, found: VectorStore) -> None:
        """Record that the store was used now."""
        if time.time() - found.last_active_at < _ACTIVE_SECONDS:
            return
        async with (await self._store.database()).write() as query:
            try:
                found = await self.lock(query, found.id)
            except NotFound:  # it was deleted
                return
            await self.update(query, found.active())

    async def raise_revision(self, query: Query, id: str) -> int | None:
        """Raise the revision of a locked store. Returns the new one; None if the store no longer
        exists.
        """
        raised = "update vector_stores set revision=revision+1 where id=$1 returning revision"
        for (revision,) in await query(raised, id):
            return int(revision)
        return None

    async def page(self, owner: str, cursor: Cursor) -> Found[VectorStore]:
        """Stores in the order in which they were made."""
        select = f"select {_COLUMNS} from vector_stores where owner=$1"
        found = await read_page(await self._store.database(), select, "id", [owner], cursor)
        return Found(list(map(_store, found.items)), found.has_more)

    async def counts(self, ids: Iterable[str]) -> dict[str, Counts]:
        """The files of each store."""
        return await self._counts("store", list(ids))

    async def batch_counts(self, ids: Iterable[str]) -> dict[str, Counts]:
        """The files of each batch."""
        return await self._counts("batch", list(ids))

    async def sizes(self, owners: Sequence[str] | None = None) -> list[tuple[str, float, int]]:
        """For each store its owner, when it was made, and the bytes of its files; of all owners if
        none are named. If nothing is stored, nothing is opened.
        """
        if not self._store.exists:
            return []
        condition, args = "", list(owners or ())
        if args:
            names = ", ".join(f"${number}" for number in range(1, len(args) + 1))
            condition = f"where owner in ({names}) "
        rows = await (await self._store.database()).read(
            "select owner, created_at, cast(sum(bytes) as bigint) from vector_stores "
            f"join vector_store_files on store = vector_stores.id {condition}"
            "group by vector_stores.id, owner, created_at",
            *args,
        )
        return [(owner, created_at, size) for owner, created_at, size in rows]

    async def expired(self) -> list[str]:
        """The ids of expired stores that still have files."""
        database = await self._store.database()
        rows = await database.read(
            "select id from vector_stores where expires_at <= $1 and exists "
            "(select 1 from vector_store_files where store = vector_stores.id)",
            time.time(),
        )
        return [id for (id,) in rows]

    async def delete(self, query: Query, id: str) -> bool:
        """Delete the store alone, after its files were removed. Returns whether it existed."""
        await query.run("delete from vector_store_batches where store=$1", id)
        await query.run("delete from vector_store_removals where store=$1", id)
        return bool(await query("delete from vector_stores where id=$1 returning id", id))

    async def _counts(self, column: str, ids: list[str]) -> dict[str, Counts]:
        if not ids:
            return {}
        database = await self._store.database()
        names = ", ".join(f"${number}" for number in range(1, len(ids) + 1))
        rows = await database.read(
            f"select {column}, status, count(*), cast(sum(bytes) as bigint) "
            f"from vector_store_files where {column} in ({names}) group by {column}, status",
            *ids,
        )
        files: dict[str, dict[str, int]] = {id: {} for id in ids}
        sizes = dict.fromkeys(ids, 0)
        for id, status, count, size in rows:
            files[id][status] = count
            sizes[id] += size
        return {id: Counts(files[id], sizes[id]) for id in ids}


def no_such_store(id: str) -> NotFound:
    return NotFound(f"Vector store with id '{id}' not found.", param="vector_store_id")


def _store(row: Row) -> VectorStore:
    values = (*row[:-1], msgspec.json.decode(row[-1], type=StoreFields))
    return VectorStore(*values)


def _text(fields: StoreFields) -> str:
    return msgspec.json.encode(fields).decode()


def _expiry(active: float, days: int | None) -> float | None:
    return None if days is None else active + days * _DAY
