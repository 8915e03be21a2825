"""PostgreSQL, by asyncpg."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from openedai.errors import InvalidRequest, Unavailable
from openedai.store.database import Database, Query, Row, Value

if TYPE_CHECKING:
    import asyncpg

log = logging.getLogger("openedai.store")

T = TypeVar("T")

_CONNECTIONS = 8
_STATEMENT_SECONDS = 60
# How long a restart of the database may take before requests fail.
_ATTEMPTS = 6
_FIRST_PAUSE = 0.1
_SCHEMA_LOCK = 7305271


class Postgres(Database):
    """After a lost connection, reads and the beginning of a transaction are tried again; statements
    within a transaction are not.
    """

    now = "cast(extract(epoch from clock_timestamp()) as double precision)"
    for_update = " for update"
    skip_locked = " for update skip locked"

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool[Any] | None = None
        self._opening = asyncio.Lock()

    async def read(self, sql: str, *args: Value) -> list[Row]:
        async def fetch() -> list[Row]:
            pool = await self._opened()
            return [tuple(record) for record in await pool.fetch(sql, *args)]

        with _translate_errors():
            return await _repeated(fetch)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Query]:
        with _translate_errors():
            connection, stack = await _repeated(self._begin)
            async with stack:
                yield _Query(connection)

    async def lock_schema(self, query: Query) -> None:
        await query.run(f"select pg_advisory_xact_lock({_SCHEMA_LOCK})")

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    async def _begin(self) -> tuple[Any, AsyncExitStack]:
        """A connection with an open transaction, which ends with the stack."""
        pool = await self._opened()
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(pool.acquire())
            await stack.enter_async_context(connection.transaction())
            return connection, stack.pop_all()

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

    async def run(self, sql: str, *args: Value) -> None:
        await self._connection.execute(sql, *args)

    async def many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        await self._connection.executemany(sql, rows)


async def _repeated(function: Callable[[], Awaitable[T]]) -> T:
    """The result of the function, which is called again while connections fail."""
    for attempt in range(_ATTEMPTS - 1):
        try:
            return await function()
        except _connection_errors():
            await asyncio.sleep(_FIRST_PAUSE * 2**attempt)
    return await function()


def _connection_errors() -> tuple[type[BaseException], ...]:
    import asyncpg

    return (
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        asyncpg.TooManyConnectionsError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # of a connection that ended while it was not used
        OSError,
        TimeoutError,
    )


@contextmanager
def _translate_errors() -> Iterator[None]:
    import asyncpg

    try:
        yield
    except asyncpg.CharacterNotInRepertoireError as error:
        raise InvalidRequest(
            "Invalid value: a text has a NUL character.", code="invalid_value"
        ) from error
    except asyncpg.DiskFullError as error:
        raise Unavailable("The server has no space left for its data.") from error
    except _connection_errors() as error:
        log.error("the database failed: %s", error or type(error).__name__)
        raise Unavailable("The server cannot use its database now.", retry_after=1) from error
