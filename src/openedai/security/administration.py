"""Makes, changes and revokes keys, for the command line and the admin resources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from openedai.errors import InvalidRequest, NotFound
from openedai.store.database import Query
from openedai.store.ids import is_id
from openedai.store.keys.projects import Project, Projects
from openedai.store.keys.records import ApiKey, ApiKeys, no_such_key
from openedai.store.keys.service_accounts import Role, ServiceAccount, ServiceAccounts
from openedai.store.store import Store

# The lifetime of admin keys that the admin resources make.
DEFAULT_PROJECT = "proj_default"


@dataclass(frozen=True)
class MadeKey:
    """`secret` is the key's text, which nobody can show again. `first` is whether there was no key
    before.
    """

    key: ApiKey
    secret: str
    first: bool


class Administration:
    """Each change is one transaction. Servers see it with their next request."""

    def __init__(self, store: Store) -> None:
        self.keys = ApiKeys(store)
        self.projects = Projects(store)
        self.accounts = ServiceAccounts(store)
        self._store = store

    async def create_key(self, new_key: ApiKey, storage_bytes: int | None = None) -> MadeKey:
        """Make a key like `new_key`, in the project with the id or name `new_key.project`.

        If that is empty, the key gets a new project with its own name. `storage_bytes`, if given,
        is what the project may store from now on; 0 is no limit. Raises NotFound for a project that
        does not exist, and InvalidRequest for an ambiguous name.
        """
        async with self._writing() as query:
            found = await self.projects.named(query, new_key.project or new_key.name)
            if new_key.project:
                project = _one(new_key.project, found)
            elif found:
                raise InvalidRequest(
                    f"There is a project '{new_key.name}' already. Name it as the key's project, "
                    "or give the key another name.",
                    param="project",
                )
            else:
                project = await self.projects.insert(query, new_key.name)
            if storage_bytes is not None:
                await self.projects.limit_storage(query, project.id, storage_bytes)
            return await self._insert(query, replace(new_key, project=project.id))

    async def create_admin_key(self, name: str, expires_at: float | None) -> MadeKey:
        """Make an admin key in the default project, which is created along with the first one."""
        async with self._writing() as query:
            await self.projects.ensure(query, DEFAULT_PROJECT, "Default project")
            key = ApiKey(project=DEFAULT_PROJECT, name=name, admin=True, expires_at=expires_at)
            return await self._insert(query, key)

    async def create_account(
        self, project: str, name: str, *, with_key: bool, expires_at: float | None
    ) -> tuple[ServiceAccount, MadeKey | None]:
        """Make a service account in a project, with a key or else without a key and a role.

        Raises NotFound, and InvalidRequest for an archived project.
        """
        async with self._writing() as query:
            _check_open(await self.projects.lock(query, project))
            role: Role = "member" if with_key else "none"
            made = await self.accounts.insert(query, project, name, role)
            if not with_key:
                return made, None
            return made, await self._account_key(query, made, name, expires_at, None)

    async def create_account_key(
        self,
        account: ServiceAccount,
        name: str,
        expires_at: float | None,
        endpoints: tuple[str, ...] | None,
    ) -> MadeKey:
        """Make a further key for a service account. Raises as `create_account`."""
        async with self._writing() as query:
            _check_open(await self.projects.lock(query, account.project))
            return await self._account_key(query, account, name, expires_at, endpoints)

    async def change_account(
        self, account: ServiceAccount, *, name: str, role: Role
    ) -> ServiceAccount:
        async with self._writing() as query:
            await self.accounts.update(query, account.id, name, role)
        return await self.accounts.find(account.project, account.id)

    async def change_key(
        self, id: str, changed: Callable[[ApiKey], ApiKey], storage_bytes: int | None = None
    ) -> ApiKey:
        """Replace a key by what `changed` returns for it. Its text, project and admin bit stay.

        `storage_bytes` is as in `create_key`. Raises NotFound, also for a revoked key, and
        InvalidRequest for a key that has expired, and for limiting an admin key to groups of URLs.
        """
        async with self._writing() as query:
            before = await self.keys.lock(query, id)
            if before.expired():
                raise InvalidRequest(f"The key '{id}' has expired.")
            key = changed(before)
            if key.admin and key.endpoints:
                raise InvalidRequest("An admin key may do everything.", param="scopes")
            await self.keys.change(query, key)
            if storage_bytes is not None:
                await self.projects.limit_storage(query, key.project, storage_bytes)
        return await self.keys.find(id)

    async def remove_account(self, project: str, id: str) -> None:
        """Remove a service account, and revoke its keys. Raises NotFound."""
        async with self._writing() as query:
            await self.accounts.remove(query, project, id)
            await self.keys.revoke(query, "service_account=$1", id)

    async def revoke(self, id: str, condition: str = "1=1", *args: str) -> ApiKey:
        """Revoke a key. Raises NotFound, also if it does not satisfy the SQL condition, whose
        parameters are ids from `$2` onwards.
        """
        if not all(map(is_id, (id, *args))):
            raise no_such_key(id)
        async with self._writing() as query:
            if not await self.keys.revoke(query, f"id=$1 and {condition}", id, *args):
                raise no_such_key(id)
        return await self.keys.find(id)

    async def archive(self, id: str) -> Project:
        """Archive a project, and revoke its keys.

        Raises NotFound, and InvalidRequest for the default project.
        """
        if id == DEFAULT_PROJECT:
            raise InvalidRequest("The default project cannot be archived.", param="id")
        async with self._writing() as query:
            project = await self.projects.lock(query, id)
            if project.archived_at is None:
                await self.projects.archive(query, id)
                await self.keys.revoke(query, "project=$1", id)
        return await self.projects.find(id)

    async def rename(self, id: str, name: str) -> Project:
        """Rename a project. Raises NotFound, and InvalidRequest for an archived one."""
        async with self._writing() as query:
            _check_open(await self.projects.lock(query, id))
            await self.projects.rename(query, id, name)
        return await self.projects.find(id)

    async def create_project(self, name: str) -> Project:
        async with self._writing() as query:
            return await self.projects.insert(query, name)

    async def has_admin(self) -> bool:
        """Whether there is a valid admin key."""
        return any(
            key.admin and key.revoked_at is None and not key.expired()
            for key in await self.keys.all()
        )

    async def forget(self) -> tuple[int, int]:
        """Delete the keys that are revoked or expired. Returns how many were deleted, and how many
        remain.

        If none is left, requests need no key.
        """
        async with self._writing() as query:
            return await self.keys.forget(query), await self.keys.count(query)

    async def _account_key(
        self,
        query: Query,
        account: ServiceAccount,
        name: str,
        expires_at: float | None,
        endpoints: tuple[str, ...] | None,
    ) -> MadeKey:
        new_key = ApiKey(
            project=account.project,
            service_account=account.id,
            name=name,
            expires_at=expires_at,
            endpoints=endpoints,
        )
        return await self._insert(query, new_key)

    async def _insert(self, query: Query, new_key: ApiKey) -> MadeKey:
        first = not await self.keys.count(query)
        key, secret = await self.keys.insert(query, new_key)
        return MadeKey(key, secret, first)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Query]:
        async with (await self._store.database()).write() as query:
            yield query


def _one(name: str, found: list[Project]) -> Project:
    if not found:
        raise NotFound(f"There is no project '{name}'.", param="project")
    if len(found) > 1:
        ids = ", ".join(project.id for project in found)
        raise InvalidRequest(f"Several projects have this name: {ids}.", param="project")
    return found[0]


def _check_open(project: Project) -> None:
    if project.archived_at is not None:
        raise InvalidRequest(f"The project '{project.id}' is archived.")
