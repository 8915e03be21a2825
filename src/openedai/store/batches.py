"""Batches, and the results of their lines until these are put into files."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Literal

import msgspec

from openedai.errors import NotFound
from openedai.identity import Identity
from openedai.store.database import Query
from openedai.store.ids import is_id
from openedai.store.store import Store

PREFIX = "batch_"
_PAGE_BYTES = 4 << 20
_MOST_ROWS = 500
_INSERTED_ROWS = 200

Status = Literal[
    "validating",
    "failed",
    "in_progress",
    "finalizing",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
]
ENDED = frozenset({"failed", "completed", "expired", "cancelled"})


class LineError(msgspec.Struct):
    """Why a batch cannot be run; `line` counts from 1."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


class Tokens(msgspec.Struct):
    """The usage of all lines that are answered."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    total: int = 0


class Batch(msgspec.Struct, kw_only=True):
    """`identity` is the identity of the key that it was made with, with the rights that it had
    then. Its output files expire after `output_seconds`. Times are seconds since 1970.
    """

    id: str
    owner: str
    endpoint: str
    input_file_id: str
    completion_window: str
    metadata: dict[str, str] | None = None
    output_seconds: int | None = None
    identity: Identity | None = None  # of batches that older servers made
    status: Status = "validating"
    model: str | None = None
    created_at: float
    expires_at: float
    in_progress_at: float | None = None
    finalizing_at: float | None = None
    completed_at: float | None = None
    failed_at: float | None = None
    expired_at: float | None = None
    cancelling_at: float | None = None
    cancelled_at: float | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: list[LineError] = []
    total: int = 0
    completed: int = 0
    failed: int = 0
    tokens: Tokens = msgspec.field(default_factory=Tokens)


class Result(msgspec.Struct):
    """A line's answer, as the line of the output file or of the error file."""

    line: int
    succeeded: bool
    text: str


class BatchRecords:
    """Only its owner sees a batch. Methods that take a query are part of its transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert(self, query: Query, batch: Batch) -> None:
        await query.run(
            "insert into batches(id, record, owner) values($1, $2, $3)",
            *(batch.id, _write(batch), batch.owner),
        )

    async def find(self, owner: str, id: str) -> Batch:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = "select record from batches where id=$1 and owner=$2"
        for (record,) in await database.read(by_id, id, owner) if is_id(id) else ():
            return _read(record)
        raise _no_such_batch(id)

    async def load(self, id: str) -> Batch:
        """The batch for its job, whoever owns it. Raises NotFound."""
        database = await self._store.database()
        for (record,) in await database.read("select record from batches where id=$1", id):
            return _read(record)
        raise _no_such_batch(id)

    async def lock(self, query: Query, id: str) -> Batch:
        """Lock the batch until the end of the transaction, and return it.

        Raises NotFound.
        """
        suffix = (await self._store.database()).for_update
        for (record,) in await query(f"select record from batches where id=$1{suffix}", id):
            return _read(record)
        raise _no_such_batch(id)

    async def update(self, query: Query, batch: Batch) -> None:
        await query.run("update batches set record=$1 where id=$2", _write(batch), batch.id)

    async def page(self, owner: str, limit: int, after: str | None = None) -> list[Batch]:
        """The newest batches, those before the id `after`."""
        database = await self._store.database()
        older, args = (" and id<$3", (after,)) if after else ("", ())
        rows = await database.read(
            f"select record from batches where owner=$1{older} order by id desc limit $2",
            *(owner, limit, *args),
        )
        return [_read(record) for (record,) in rows]

    async def answered(self, id: str) -> set[int]:
        """The lines that have results."""
        database = await self._store.database()
        rows = await database.read("select line from batch_lines where batch=$1", id)
        return {line for (line,) in rows}

    async def add_results(self, query: Query, id: str, results: Sequence[Result]) -> None:
        """Add results, many rows in each statement: SQLite's thread waits after each one if Python
        is busy.
        """
        for start in range(0, len(results), _INSERTED_ROWS):
            rows = results[start : start + _INSERTED_ROWS]
            values = ", ".join(
                f"($1, ${at}, ${at + 1}, ${at + 2})" for at in range(2, 2 + 3 * len(rows), 3)
            )
            await query.run(
                f"insert into batch_lines(batch, line, succeeded, result) values {values}",
                id,
                *(value for one in rows for value in (one.line, int(one.succeeded), one.text)),
            )

    async def results(self, id: str) -> AsyncGenerator[Result, None]:
        """All results in the order of the lines; only some MB are in memory at once."""
        database = await self._store.database()
        last, limit = 0, 16
        while True:
            rows = await database.read(
                "select line, succeeded, result from batch_lines where batch=$1 and line>$2 "
                "order by line limit $3",
                *(id, last, limit),
            )
            for line, succeeded, text in rows:
                yield Result(line, bool(succeeded), text)
            if len(rows) < limit:
                return
            last, size = rows[-1][0], sum(len(text) for _, _, text in rows)
            limit = max(1, min(_MOST_ROWS, _PAGE_BYTES * len(rows) // max(1, size)))

    async def remove_results(self, query: Query, id: str) -> None:
        await query.run("delete from batch_lines where batch=$1", id)


def _read(text: str) -> Batch:
    return msgspec.json.decode(text, type=Batch)


def _write(batch: Batch) -> str:
    return msgspec.json.encode(batch).decode()


def _no_such_batch(id: str) -> NotFound:
    return NotFound(f"No batch found with id '{id}'.", param="id")
