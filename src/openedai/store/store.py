"""The database and the contents, opened at first use."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from openedai.errors import APIError, Unavailable
from openedai.store.blobs import Blobs
from openedai.store.contents import Contents

if TYPE_CHECKING:
    from openedai.store.database import Database

_FILE = "openedai.db"
_FOLDER = "blobs"


class Store:
    """`folder` is for whatever has no URL: an SQLite file, and a folder of blobs."""

    def __init__(self, folder: Path, database_url: str = "", blobs_url: str = "") -> None:
        self.opened = asyncio.Event()
        self.contents = Contents(Blobs(blobs_url or folder / _FOLDER))
        self._file = folder / _FILE
        self._url = database_url
        self._opening = asyncio.Lock()
        self._database: Database | None = None

    @property
    def exists(self) -> bool:
        """Whether anything may be stored."""
        return bool(self._url) or self._file.exists()

    @property
    def file(self) -> Path | None:
        """The SQLite file, which may not exist yet; None for PostgreSQL."""
        return None if self._url else self._file

    async def database(self) -> Database:
        """The database, with all tables. Raises Unavailable, and APIError if it is not usable."""
        if self._database is None:
            async with self._opening:
                if self._database is None:
                    self._database = await self._open()
                    self.opened.set()
        return self._database

    async def check(self) -> None:
        """Raise APIError if this server cannot use the existing database, which is then closed."""
        if self.exists:
            with suppress(Unavailable):  # it may come back
                await self.database()
            await self.close()

    async def sweep(self) -> None:
        """Delete blobs that nothing refers to. Servers that do not use blobs skip this, to save
        memory.
        """
        if self.contents.blobs.in_use:
            await self.contents.sweep(await self.database())

    async def close(self) -> None:
        """Close the database. It may be opened again."""
        database, self._database = self._database, None
        self.opened.clear()
        if database is not None:
            await database.close()

    async def _open(self) -> Database:
        from openedai.store.databases.migrations import migrate, schema

        database = await asyncio.to_thread(self._connect)
        try:
            await migrate(database, await asyncio.to_thread(schema))
        except BaseException:
            await database.close()
            raise
        return database

    def _connect(self) -> Database:
        if not self._url:
            from openedai.store.databases.sqlite import Sqlite

            return Sqlite(self._file)
        if find_spec("asyncpg") is None:
            raise APIError("PostgreSQL needs an extra: pip install 'openedai[postgres]'.")
        from openedai.store.databases.postgres import Postgres

        return Postgres(self._url)
