"""Pages of rows that are sorted by a column, with cursors in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from openedai.store.database import Database, Row, Value

T = TypeVar("T")


@dataclass(frozen=True)
class Cursor:
    """Up to `limit` rows after the row `after`, or before the row `before`, in the order."""

    limit: int = 20
    after: str | None = None
    before: str | None = None
    order: Literal["asc", "desc"] = "desc"


@dataclass(frozen=True)
class Found(Generic[T]):
    items: list[T]
    has_more: bool


async def read_page(
    database: Database,
    select: str,
    column: str,
    args: Sequence[Value],
    cursor: Cursor,
    bounds: tuple[Value, Value] | None = None,
) -> Found[Row]:
    """The rows of a `select` that ends with its conditions, sorted by `column`.

    With only `before` they are the rows immediately before it. `bounds` are the values of the
    column for `after` and `before`, if these are not the cursor's own.
    """
    values, conditions = list(args), ""
    backwards = cursor.after is None and cursor.before is not None
    ascending = cursor.order == "asc"
    after, before = bounds or (cursor.after, cursor.before)
    for value, follows in ((after, True), (before, False)):
        if value is not None:
            values.append(value)
            sign = ">" if ascending == follows else "<"
            conditions += f" and {column}{sign}${len(values)}"
    values.append(cursor.limit + 1)
    order = "asc" if ascending != backwards else "desc"
    rows = await database.read(
        f"{select}{conditions} order by {column} {order} limit ${len(values)}", *values
    )
    shown = rows[: cursor.limit]
    return Found(shown[::-1] if backwards else shown, len(rows) > cursor.limit)
