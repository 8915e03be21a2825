"""The events of streams that jobs make, stored in groups because readers may come later."""

from __future__ import annotations

from typing import Literal

from openedai.store.database import Query
from openedai.store.store import Store

Of = Literal["response", "run"]


class KeptEvents:
    """`of` is what the stream belongs to. Events are texts without line breaks, numbered from 0.

    Methods that take a query are part of its transaction.
    """

    def __init__(self, store: Store, of: Of) -> None:
        self._store = store
        self._table = f"{of}_events"
        self._column = of

    async def add(self, query: Query, id: str, last: int, events: str) -> None:
        """Add events, one on each line; the number of the last one is `last`."""
        await query.run(
            f"insert into {self._table}({self._column}, last, frames) values($1, $2, $3)",
            *(id, last, events),
        )

    async def last(self, query: Query, id: str) -> int:
        """The number of the last event that was written; -1 for none."""
        last = f"select coalesce(max(last), -1) from {self._table} where {self._column}=$1"
        ((number,),) = await query(last, id)
        return int(number)

    async def read(self, id: str, after: int, limit: int) -> list[tuple[int, str]]:
        """(last, events) of the groups that have events after the number `after`."""
        database = await self._store.database()
        rows = await database.read(
            f"select last, frames from {self._table} where {self._column}=$1 and last>$2 "
            "order by last limit $3",
            *(id, after, limit),
        )
        return [(last, events) for last, events in rows]

    async def remove(self, query: Query, id: str) -> None:
        await query.run(f"delete from {self._table} where {self._column}=$1", id)
