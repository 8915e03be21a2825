"""Service accounts: names for programs, whose keys the admin resources make."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from openedai.errors import NotFound
from openedai.store.database import Query
from openedai.store.ids import is_id, ordered_id
from openedai.store.store import Store
from openedai.store.vector_stores.pages import Cursor, Found, read_page

PREFIX = "svc_acct_"
_COLUMNS = "id, project, name, role, created_at"
Role = Literal["owner", "member", "none"]


@dataclass(frozen=True)
class ServiceAccount:
    """`created_at` is in seconds since 1970."""

    id: str
    project: str
    name: str
    role: Role
    created_at: float


class ServiceAccounts:
    """Methods that take a query are part of its transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert(self, query: Query, project: str, name: str, role: Role) -> ServiceAccount:
        made = ServiceAccount(ordered_id(PREFIX), project, name, role, time.time())
        await query.run(
            f"insert into service_accounts({_COLUMNS}) values($1, $2, $3, $4, $5)",
            *(made.id, made.project, made.name, made.role, made.created_at),
        )
        return made

    async def find(self, project: str, id: str) -> ServiceAccount:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {_COLUMNS} from service_accounts where project=$1 and id=$2"
        for row in await database.read(by_id, project, id) if is_id(project) and is_id(id) else ():
            return ServiceAccount(*row)
        raise no_such_account(id)

    async def page(self, project: str, cursor: Cursor) -> Found[ServiceAccount]:
        """The service accounts of a project, in the order in which they were made."""
        select = f"select {_COLUMNS} from service_accounts where project=$1"
        found = await read_page(await self._store.database(), select, "id", (project,), cursor)
        return Found([ServiceAccount(*row) for row in found.items], found.has_more)

    async def all(self, project: str, ids: Collection[str]) -> dict[str, ServiceAccount]:
        """The service accounts with these ids, by their ids."""
        if not ids:
            return {}
        database = await self._store.database()
        places = ", ".join(f"${n}" for n in range(2, 2 + len(ids)))
        rows = await database.read(
            f"select {_COLUMNS} from service_accounts where project=$1 and id in ({places})",
            *(project, *ids),
        )
        return {row[0]: ServiceAccount(*row) for row in rows}

    async def update(self, query: Query, id: str, name: str, role: Role) -> None:
        await query.run("update service_accounts set name=$1, role=$2 where id=$3", name, role, id)

    async def remove(self, query: Query, project: str, id: str) -> None:
        """Raises NotFound."""
        gone = "delete from service_accounts where project=$1 and id=$2 returning id"
        if not (is_id(project) and is_id(id) and await query(gone, project, id)):
            raise no_such_account(id)


def no_such_account(id: str) -> NotFound:
    return NotFound(f"No service account found with id '{id}'.", param="id")
