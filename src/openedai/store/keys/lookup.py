"""Looks up the key of each request in the database.

Nothing is cached between requests: what another server or the command line does to a key takes
effect with the next request. The digest is computed from what the client sends, so the time of an
index search reveals nothing about the stored digests.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openedai.store.database import Row
from openedai.store.keys.records import COLUMNS, ApiKey

if TYPE_CHECKING:
    import sqlite3

    from openedai.store.store import Store

# One row: whether there are any keys, and the key with the digest.
_COLUMNS = ", ".join(f"k.{name}" for name in COLUMNS.split(", "))
_FIND = (
    f"select exists(select 1 from api_keys), {_COLUMNS} "
    "from (select 1) as one left join api_keys k on k.digest=$1"
)


@dataclass(frozen=True)
class Looked:
    """Whether requests need keys, because some exist; and the key that was looked up."""

    needed: bool
    key: ApiKey | None = None


class KeyLookup:
    """An SQLite file is read in the calling thread: this takes some microseconds, less than
    changing threads. While there is no file, nothing is opened.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._file = store.file
        self._opened: tuple[tuple[int, int], sqlite3.Connection] | None = None

    async def find(self, digest: str) -> Looked:
        """The key with this digest. Raises Unavailable."""
        if self._file is None:
            return _looked(await self._ask(digest))
        try:
            status = self._file.stat()
        except OSError:
            return Looked(needed=False)
        return _looked(await self._rows(self._file, (status.st_dev, status.st_ino), digest))

    def close(self) -> None:
        """Close the connection. It is opened again by the next request."""
        if self._opened is not None:
            self._opened[1].close()
            self._opened = None

    async def _rows(self, file: Path, identity: tuple[int, int], digest: str) -> list[Row]:
        import sqlite3

        try:
            if self._opened is None or self._opened[0] != identity:
                self.close()
                self._opened = (identity, _connect(file))
            return self._opened[1].execute(_FIND, {"1": digest}).fetchall()
        except sqlite3.Error:  # it is locked, or made by an older server
            return await self._ask(digest)

    async def _ask(self, digest: str) -> list[Row]:
        """Read the key as all other data is read, with the same waiting and errors."""
        return await (await self._store.database()).read(_FIND, digest)


def _looked(rows: list[Row]) -> Looked:
    ((needed, *row),) = rows
    return Looked(bool(needed), None if row[0] is None else ApiKey.of(tuple(row)))


def _connect(file: Path) -> sqlite3.Connection:
    """A read-only connection that waits for nobody."""
    import sqlite3

    connection = sqlite3.connect(
        f"{file.resolve().as_uri()}?mode=ro", timeout=0, isolation_level=None, uri=True
    )
    connection.execute("pragma query_only=on")
    return connection
