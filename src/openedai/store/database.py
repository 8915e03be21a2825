"""What SQLite and PostgreSQL have in common. One SQL text is used for both.

Parameters are `$1`, `$2` …; rows are tuples. Times are seconds since 1970 as `double precision`,
numbers `bigint`, JSON is text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Protocol

Value = str | int | float | bytes | None
Row = tuple[Any, ...]


class Query(Protocol):
    """Statements of one transaction, in their order. Between them nothing else is awaited.

    Statements that return no rows may be run together with the next one that does, or at the end of
    the transaction, and their errors may be raised only then: in SQLite every run is a change of
    threads.
    """

    async def __call__(self, sql: str, *args: Value) -> list[Row]:
        """Run one statement and return its rows."""

    async def run(self, sql: str, *args: Value) -> None:
        """Run one statement without rows."""

    async def many(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """Run one statement without rows for the arguments of each row."""


class Database(ABC):
    """`now` is the database's clock in SQL. `for_update` is appended to a `select` to lock its rows
    until the end of the transaction; `skip_locked` leaves out rows that are locked.
    """

    now: ClassVar[str]
    for_update: ClassVar[str]
    skip_locked: ClassVar[str]

    @abstractmethod
    async def read(self, sql: str, *args: Value) -> list[Row]:
        """The rows of a query outside a transaction. Raises Unavailable."""

    @abstractmethod
    def write(self) -> AbstractAsyncContextManager[Query]:
        """A transaction: committed at the end of the block, rolled back if an exception leaves it.

        If the task is cancelled during the commit, the commit may have succeeded. Raises
        Unavailable.
        """

    @abstractmethod
    async def lock_schema(self, query: Query) -> None:
        """In a transaction, wait until no other server changes the tables."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""
