"""PostgreSQL, by asyncpg."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from openedai.errors import Unavailable
from openedai.store.database import Database, Query, Row, Value

if TYPE_CHECKING:
    import asyncpg

log = logging.getLogger("openedai.store")

_CONNECTIONS = 8
_STATEMENT_SECONDS = 60
# How long a restart of the database may take before requests notice it.
_ATTEMPTS = 6
_FIRST_PAUSE = 0.1
_SCHEMA_LOCK = 7305271


class Postgres(Database):
    now = "cast(extract(epoch from clock_timestamp()) as double precision)"
    for_update = " for update"
    skip_locked = " for update skip locked"

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool[Any] | None = None
        self._opening = asyncio.Lock()

    async def read(self, sql: str, *args: Value) -> list[Row]:
        async with self._connection() as connection:
            return [tuple(record) for record in await connection.fetch(sql, *args)]

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Query]:
        async with self._connection() as connection, connection.transaction():
            yield _Query(connection)

    async def lock_schema(self, query: Query) -> None:
        await query(f"select pg_advisory_xact_lock({_SCHEMA_LOCK})")

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """A connection that answers: what was lost is tried again before anything is done."""
        async with AsyncExitStack() as stack:
            with _translate_errors():
                connection = await self._answering(stack)
                yield connection

    async def _answering(self, stack: AsyncExitStack) -> Any:
        for attempt in range(_ATTEMPTS):
            try:
                pool = await self._opened()
                connection = await pool.acquire()
            except _connection_errors():
                if attempt + 1 == _ATTEMPTS:
                    raise
                await asyncio.sleep(_FIRST_PAUSE * 2**attempt)
            else:
                stack.push_async_callback(pool.release, connection)
                return connection
        raise AssertionError("the last attempt returns or raises")

    async def _opened(self) -> asyncpg.Pool[Any]:
        import asyncpg

        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=_CONNECTIONS,
                    command_timeout=_STATEMENT_SECONDS,
                    server_settings={"application_name": "openedai"},
                )
            return self._pool


class _Query:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def __call__(self, sql: str, *args: Value) -> list[Row]:
        return [tuple(record) for record in await self._connection.fetch(sql, *args)]

    async def many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        await self._connection.executemany(sql, rows)


def _connection_errors() -> tuple[type[BaseException], ...]:
    import asyncpg

    return (
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        asyncpg.TooManyConnectionsError,
        asyncpg.InterfaceError,
        OSError,
        TimeoutError,
    )


@contextmanager
def _translate_errors() -> Iterator[None]:
    import asyncpg

    try:
        yield
    except asyncpg.DiskFullError as error:
        raise Unavailable("The server has no space left for its data.") from error
    except _connection_errors() as error:
        log.error("the database failed: %s", error or type(error).__name__)
        raise Unavailable("The server cannot use its database now.", retry_after=1) from error
