"""Keeps the caches of the vector stores that are searched on this server up to date."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from openedai.errors import APIError, NotFound, Unavailable
from openedai.search.segments import Segment, decode
from openedai.store.store import Store
from openedai.store.vector_stores.files import StoreFile, VectorStoreFiles
from openedai.store.vector_stores.stores import VectorStore

if TYPE_CHECKING:
    from filelock import FileLock

    from openedai.search.cache import AddedFile, Cache
    from openedai.search.view import View

log = logging.getLogger("openedai.vector_stores")

_POLL_SECONDS = 0.05
_MOST_OPEN = 100
_ATTEMPTS = 4  # to bring a cache up to date


class SearchCaches:
    """`folder` has one for each store. The most recently used ones stay open as long as their
    vectors have at most `most_bytes` in total, so that the system keeps them in memory. A cache in
    use is not closed.
    """

    def __init__(
        self, store: Store, files: VectorStoreFiles, folder: Path, most_bytes: int
    ) -> None:
        self.most_bytes = most_bytes
        self._store = store
        self._files = files
        self._folder = folder
        self._open: OrderedDict[str, Cache] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}
        self._uses: Counter[Cache] = Counter()
        self._closing: set[Cache] = set()

    @asynccontextmanager
    async def use(self, found: VectorStore) -> AsyncIterator[tuple[Cache, View]]:
        """The cache, brought up to the store's revision, and the view of it to search.

        Raises Unavailable, and NotFound if the store was deleted.
        """
        cache, view = await self._view(found)
        self._uses[cache] += 1
        try:
            yield cache, view
        finally:
            self._uses[cache] -= 1
            if not self._uses[cache]:
                del self._uses[cache]
                if cache in self._closing:
                    self._closing.discard(cache)
                    cache.close()

    async def _view(self, found: VectorStore) -> tuple[Cache, View]:
        import sqlite3

        lock = self._locks.setdefault(found.id, asyncio.Lock())
        async with lock:
            for attempt in range(_ATTEMPTS):  # it may be deleted at any moment
                await asyncio.sleep(attempt * _POLL_SECONDS)
                try:
                    cache = await self._refreshed(found)
                    if (view := await asyncio.to_thread(_view_of, cache)) is not None:
                        self._close_some(found.id)
                        return cache, view
                    self._close(found.id)
                except (sqlite3.OperationalError, OSError) as error:
                    log.warning("the index of %s cannot be used: %r", found.id, error)
                    self._close(found.id)
                except sqlite3.Error as error:
                    log.warning("the index of %s is broken: %r", found.id, error)
                    await self.forget(found.id)
        raise Unavailable(
            "The server cannot write the index of this vector store now.", retry_after=1
        )

    async def forget(self, id: str) -> None:
        """Delete the cache of a store."""
        self._close(id)
        await asyncio.to_thread(shutil.rmtree, self._folder / id, ignore_errors=True)

    def close(self) -> None:
        """Close all caches."""
        for id in list(self._open):
            self._close(id)

    async def sweep(self) -> None:
        """Delete the caches of stores that do not exist any more."""
        if not self._folder.is_dir():
            return
        for folder in await asyncio.to_thread(lambda: list(self._folder.iterdir())):
            try:
                await self._files.stores.load(folder.name)
            except NotFound:
                await self.forget(folder.name)

    async def _refreshed(self, found: VectorStore) -> Cache:
        cache = self._open.get(found.id)
        if cache is not None and not await asyncio.to_thread(cache.is_there):
            self._close(found.id)
            cache = None
        if cache is not None and cache.revision == found.revision:
            self._open.move_to_end(found.id)
            return cache
        async with self._alone(found.id):
            if cache is None:
                cache = await asyncio.to_thread(self._make, found)
                self._open[found.id] = cache
            else:
                await asyncio.to_thread(cache.reload)
            await self._update(cache, found.id)
        self._open.move_to_end(found.id)
        return cache

    def _make(self, found: VectorStore) -> Cache:
        from openedai.search.cache import Cache

        assert found.fields.dimensions is not None
        return Cache(self._folder / found.id, found.fields.dimensions)

    async def _update(self, cache: Cache, id: str) -> None:
        """Add and remove what has changed since the cache was last updated."""
        while True:
            revision = (await self._files.stores.load(id)).revision
            if revision == cache.revision:
                return
            changes = await self._files.changes(id, cache.revision)
            await asyncio.to_thread(cache.remove, changes.removed)
            for file in changes.files:
                await self._add(cache, file)
            if await asyncio.to_thread(cache.finish, revision):
                return

    async def _add(self, cache: Cache, file: StoreFile) -> None:
        added = _added(file)
        if await asyncio.to_thread(cache.has, added.file, added.segment):
            await asyncio.to_thread(cache.set_attributes, added)
        elif (segment := await self.segment(file)) is not None:
            await asyncio.to_thread(cache.add, added, segment)

    async def segment(self, file: StoreFile) -> Segment | None:
        """The segment of a file; None if it was removed meanwhile."""
        assert file.segment is not None
        database = await self._store.database()
        data = bytearray()
        try:
            async for chunk in self._store.contents.read(database, file.segment):
                data += chunk
        except APIError:
            present = "select 1 from vector_store_files where segment=$1"
            if await database.read(present, file.segment):
                raise
            return None
        return await asyncio.to_thread(decode, bytes(data)) if data else None

    def _close(self, id: str) -> None:
        cache = self._open.pop(id, None)
        if cache is None:
            return
        if self._uses[cache]:
            self._closing.add(cache)
        else:
            del self._uses[cache]
            cache.close()

    def _close_some(self, kept: str) -> None:
        """Close the least recently used caches, if there are too many."""
        while len(self._open) > 1 and (
            len(self._open) > _MOST_OPEN
            or sum(cache.size for cache in self._open.values()) > self.most_bytes
        ):
            id = next(iter(self._open))
            if id == kept or self._locks[id].locked():
                return
            self._close(id)

    @asynccontextmanager
    async def _alone(self, id: str) -> AsyncIterator[None]:
        """Hold the lock on the cache: no other server of this machine changes it meanwhile."""
        lock = await asyncio.to_thread(self._lock, id)
        from filelock import Timeout

        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                await asyncio.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            lock.release()

    def _lock(self, id: str) -> FileLock:
        from filelock import FileLock

        folder = self._folder / id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(folder / "lock", thread_local=False)


def _view_of(cache: Cache) -> View | None:
    """None if the cache was deleted while it was brought up to date."""
    view = cache.view()
    return view if cache.is_there() else None


def _added(file: StoreFile) -> AddedFile:
    from openedai.search.cache import AddedFile

    assert file.segment is not None
    return AddedFile(file.file, file.segment, file.fields.filename, file.fields.attributes)
