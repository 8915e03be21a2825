"""SQLite in threads: one that writes, and a few that read."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from openedai.errors import APIError, Unavailable
from openedai.store.database import Database, Query, Row, Value

log = logging.getLogger("openedai.store")

T = TypeVar("T")
# The text of a statement, and the arguments of each run.
_Statement = tuple[str, Sequence[Sequence[Value]]]

_READERS = 3
_BUSY_SECONDS = 30
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Sqlite(Database):
    """A file, which several servers of one machine may share."""

    now = "((julianday('now') - 2440587.5) * 86400.0)"
    for_update = ""  # a transaction that writes is alone
    skip_locked = ""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writer = ThreadPoolExecutor(1, "sqlite-write")
        self._readers = ThreadPoolExecutor(_READERS, "sqlite-read")
        self._writing = asyncio.Lock()

    async def read(self, sql: str, *args: Value) -> list[Row]:
        return await _in(self._readers, partial(self._run, sql, args))

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Query]:
        query = _Query(self)
        async with self._writing:
            try:
                yield query
            except BaseException:
                await asyncio.shield(self._in_writer(self._undo))
                raise
            await asyncio.shield(self._in_writer(partial(self._end, query.take())))

    async def lock_schema(self, query: Query) -> None:
        return

    async def close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        for connection in self._connections:
            connection.close()

    def _run(self, sql: str, args: Sequence[Value]) -> list[Row]:
        with _translate_errors():
            cursor = self._connection().execute(sql, _named(args))
            return cursor.fetchall() if cursor.description else []

    def _in_writer(self, function: Callable[[], T]) -> asyncio.Future[T]:
        return _in(self._writer, function)

    def _go_on(
        self, statements: Sequence[_Statement], sql: str, args: Sequence[Value]
    ) -> list[Row]:
        """Run statements of a transaction, and then one that returns rows."""
        self._run_all(statements)
        return self._run(sql, args)

    def _end(self, statements: Sequence[_Statement]) -> None:
        """Run the last statements of a transaction and commit it; if that fails, roll it back."""
        try:
            self._run_all(statements)
            self._run("commit", ())
        except BaseException:
            self._undo()
            raise

    def _run_all(self, statements: Sequence[_Statement]) -> None:
        """Run statements of a transaction; the first one begins it."""
        with _translate_errors():
            connection = self._connection()
            if not connection.in_transaction:
                # A plain `begin` would fail where another process writes meanwhile.
                connection.execute("begin immediate")
            for sql, rows in statements:
                if len(rows) == 1:
                    connection.execute(sql, _named(rows[0]))
                else:
                    connection.executemany(sql, map(_named, rows))

    def _undo(self) -> None:
        """Roll back in the thread that writes, so after a statement that was cancelled."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None and connection.in_transaction:
            with suppress(APIError):
                self._run("rollback", ())

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self._path,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._connections.append(connection)
            for pragma in ("journal_mode=wal", "synchronous=normal", "foreign_keys=on"):
                connection.execute(f"pragma {pragma}")
            self._local.connection = connection
        return connection


class _Query:
    """Keeps the statements that return no rows until one does."""

    def __init__(self, database: Sqlite) -> None:
        self._database = database
        self._kept: list[_Statement] = []

    def take(self) -> list[_Statement]:
        """Remove and return the statements that have not been run."""
        kept, self._kept = self._kept, []
        return kept

    async def __call__(self, sql: str, *args: Value) -> list[Row]:
        database = self._database
        return await database._in_writer(partial(database._go_on, self.take(), sql, args))

    async def run(self, sql: str, *args: Value) -> None:
        self._kept.append((sql, [args]))

    async def many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        self._kept.append((sql, rows))


def _in(threads: ThreadPoolExecutor, function: Callable[[], T]) -> asyncio.Future[T]:
    return asyncio.get_running_loop().run_in_executor(threads, function)


def _named(args: Sequence[Value]) -> dict[str, Value]:
    """`$1` is the parameter with the name 1."""
    return {str(number): value for number, value in enumerate(args, 1)}


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CANTOPEN) & 0xFF
        if code == sqlite3.SQLITE_ERROR:  # a fault of the statement
            raise
        if code == sqlite3.SQLITE_FULL:
            raise Unavailable("The server has no space left for its data.") from error
        log.error("the database failed: %s", error)
        raise Unavailable("The server cannot use its database now.", retry_after=1) from error
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
            raise
        log.error("the database is damaged: %s", error)
        raise APIError("The server's database is damaged, or no database.") from error
