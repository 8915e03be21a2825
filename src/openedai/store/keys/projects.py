"""Projects: they own everything that is stored with their keys."""

from __future__ import annotations

import time
from dataclasses import dataclass

from openedai.errors import NotFound
from openedai.store.database import Query
from openedai.store.ids import is_id, ordered_id
from openedai.store.store import Store
from openedai.store.vector_stores.pages import Cursor, Found, read_page

PREFIX = "proj_"
_COLUMNS = "id, name, created_at, archived_at, storage_bytes"
_INSERT = "insert into projects(id, name, created_at)"


@dataclass(frozen=True)
class Project:
    """The keys of an archived project are refused. `storage_bytes` is how many bytes of files it
    may keep: 0 for no limit, None for the limit in the settings. Times are seconds since 1970.
    """

    id: str
    name: str
    created_at: float
    archived_at: float | None = None
    storage_bytes: int | None = None


class Projects:
    """Methods that take a query are part of its transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert(self, query: Query, name: str) -> Project:
        """A new project."""
        made = Project(ordered_id(PREFIX), name, time.time())
        await query.run(f"{_INSERT} values($1, $2, $3)", made.id, name, made.created_at)
        return made

    async def ensure(self, query: Query, id: str, name: str) -> None:
        """Make the project with this id, if it does not exist; others may do so at the same
        time.
        """
        await query.run(
            f"{_INSERT} values($1, $2, $3) on conflict(id) do nothing", id, name, time.time()
        )

    async def find(self, id: str) -> Project:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from projects where id=$1"
        for row in await database.read(by_id, id) if is_id(id) else ():
            return Project(*row)
        raise no_such_project(id)

    async def lock(self, query: Query, id: str) -> Project:
        """Lock the project until the end of the transaction, and return it.

        Raises NotFound.
        """
        suffix = (await self._store.database()).for_update
        by_id = f"select {_COLUMNS} from projects where id=$1{suffix}"
        for row in await query(by_id, id) if is_id(id) else ():
            return Project(*row)
        raise no_such_project(id)

    async def named(self, query: Query, name: str) -> list[Project]:
        """The projects with this id or name that are not archived."""
        rows = await query(
            f"select {_COLUMNS} from projects where (id=$1 or name=$1) and archived_at is null "
            "order by id",
            name,
        )
        return [Project(*row) for row in rows]

    async def page(self, cursor: Cursor, *, archived: bool) -> Found[Project]:
        """Projects in the order in which they were made, with or without the archived ones."""
        condition = "" if archived else " and archived_at is null"
        select = f"select {_COLUMNS} from projects where 1=1{condition}"
        found = await read_page(await self._store.database(), select, "id", (), cursor)
        return Found([Project(*row) for row in found.items], found.has_more)

    async def storage(self) -> dict[str, int | None]:
        """How many bytes of files each project may keep, by its id."""
        database = await self._store.database()
        return dict(await database.read("select id, storage_bytes from projects"))

    async def rename(self, query: Query, id: str, name: str) -> None:
        await query.run("update projects set name=$1 where id=$2", name, id)

    async def limit_storage(self, query: Query, id: str, size: int) -> None:
        """Set how many bytes of files a project may keep; 0 is no limit."""
        await query.run("update projects set storage_bytes=$1 where id=$2", size, id)

    async def archive(self, query: Query, id: str) -> None:
        await query.run("update projects set archived_at=$1 where id=$2", time.time(), id)


def no_such_project(id: str) -> NotFound:
    return NotFound(f"No project found with id '{id}'.", param="id")
