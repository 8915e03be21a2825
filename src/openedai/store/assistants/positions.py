"""Pages of rows that have a position in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from openedai.errors import invalid_value
from openedai.store.database import Database, Row, Value
from openedai.store.vector_stores.pages import Cursor, Found, read_page

Table = Literal["thread_messages", "run_steps"]


async def page_by_position(
    database: Database,
    table: Table,
    columns: str,
    where: str,
    args: Sequence[Value],
    cursor: Cursor,
) -> Found[Row]:
    """Rows in the order of their positions; the ids in the cursor have to be of such rows.

    Raises InvalidRequest for other ids.
    """
    bounds = (
        await _position(database, table, where, args, "after", cursor.after),
        await _position(database, table, where, args, "before", cursor.before),
    )
    select = f"select {columns} from {table} where {where}"
    return await read_page(database, select, "position", args, cursor, bounds)


async def _position(
    database: Database, table: Table, where: str, args: Sequence[Value], param: str, id: str | None
) -> int | None:
    if id is None:
        return None
    mark = len(args) + 1
    for (position,) in await database.read(
        f"select position from {table} where {where} and id=${mark}", *args, id
    ):
        return int(position)
    raise invalid_value(param, f"there is nothing with the id '{id}' in this list")
