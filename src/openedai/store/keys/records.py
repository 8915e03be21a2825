"""API keys in the database. A revoked key stays there, and is refused."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from openedai.errors import NotFound
from openedai.identity import API, Identity
from openedai.store.database import Query, Row, Value
from openedai.store.ids import is_id, ordered_id
from openedai.store.keys.secret import digest_of, hint_of, new_secret
from openedai.store.store import Store
from openedai.store.vector_stores.pages import Cursor, Found, read_page

PREFIX = "key_"
COLUMNS = (
    "id, hint, project, service_account, name, owner, admin, models, endpoints, created_at, "
    "expires_at, revoked_at, last_used_at, limits"
)


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """`hint` is the part that may be shown. `owner` says whose it is, in the words of whoever made
    it.

    `models` are names of models, and `endpoints` those of groups of URLs, that it may use; None for
    all. `limits` are how much it may use of all models together, by names of the settings; 0 is no
    limit. Times are seconds since 1970.
    """

    id: str = ""
    hint: str = ""
    project: str
    service_account: str | None = None
    name: str
    owner: str = ""
    admin: bool = False
    models: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None
    created_at: float = 0.0
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    limits: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Row) -> ApiKey:
        """The key in a row with `COLUMNS`."""
        names = COLUMNS.split(", ")
        values = dict(zip(names, row, strict=True))
        values |= {name: _read(values[name]) for name in ("models", "endpoints")}
        limits = _read_limits(values["limits"])
        return cls(**(values | {"admin": bool(values["admin"]), "limits": limits}))

    @property
    def identity(self) -> Identity:
        """The identity of requests with this key. A key without a limit is for the whole API, and
        an admin's also for the server.
        """
        endpoints = self.endpoints or (None if self.admin else (API,))
        limits = tuple(self.limits.items())
        return Identity(
            self.id, self.name, self.project, self.admin, self.models, endpoints, limits
        )

    def expired(self) -> bool:
        """Whether it has expired."""
        return self.expires_at is not None and self.expires_at <= time.time()


class ApiKeys:
    """Methods that take a query are part of its transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert(self, query: Query, new_key: ApiKey) -> tuple[ApiKey, str]:
        """Make a key like `new_key`, with a new id, hint and time. Returns it with its text."""
        secret = new_secret()
        key = replace(new_key, id=ordered_id(PREFIX), hint=hint_of(secret), created_at=time.time())
        values: Sequence[Value] = (
            *(key.id, key.hint, key.project, key.service_account, key.name, key.owner),
            *(int(key.admin), _written(key.models), _written(key.endpoints)),
            *(key.created_at, key.expires_at, key.revoked_at, key.last_used_at),
            _written_limits(key.limits),
        )
        places = ", ".join(f"${n}" for n in range(1, len(values) + 2))
        await query.run(
            f"insert into api_keys({COLUMNS}, digest) values({places})",
            *(*values, digest_of(secret).hex()),
        )
        return key, secret

    async def count(self, query: Query) -> int:
        """How many keys there are, revoked ones included."""
        ((count,),) = await query("select count(*) from api_keys")
        return int(count)

    async def find(self, id: str) -> ApiKey:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = f"select {COLUMNS} from api_keys where id=$1"
        for row in await database.read(by_id, id) if is_id(id) else ():
            return ApiKey.of(row)
        raise no_such_key(id)

    async def lock(self, query: Query, id: str) -> ApiKey:
        """Lock the key until the end of the transaction, and return it. Raises NotFound, also for a
        revoked key.
        """
        suffix = (await self._store.database()).for_update
        by_id = f"select {COLUMNS} from api_keys where id=$1 and revoked_at is null{suffix}"
        for row in await query(by_id, id) if is_id(id) else ():
            return ApiKey.of(row)
        raise no_such_key(id)

    async def page(self, cursor: Cursor, condition: str, *args: Value) -> Found[ApiKey]:
        """The keys that are not revoked and satisfy the condition, in the order in which they were
        made.
        """
        select = f"select {COLUMNS} from api_keys where revoked_at is null and {condition}"
        found = await read_page(await self._store.database(), select, "id", args, cursor)
        return Found([ApiKey.of(row) for row in found.items], found.has_more)

    async def all(self) -> list[ApiKey]:
        """All keys, revoked ones included, the oldest first."""
        database = await self._store.database()
        rows = await database.read(f"select {COLUMNS} from api_keys order by id")
        return [ApiKey.of(row) for row in rows]

    async def revoke(self, query: Query, condition: str, *args: Value) -> list[str]:
        """Revoke the keys that satisfy the condition. Returns the ids of those that were not
        revoked before.
        """
        rows = await query(
            f"update api_keys set revoked_at=${len(args) + 1} "
            f"where revoked_at is null and {condition} returning id",
            *(*args, time.time()),
        )
        return [id for (id,) in rows]

    async def change(self, query: Query, key: ApiKey) -> None:
        """Write what a key is called, whose it is, and what and how much it may use until when."""
        await query.run(
            "update api_keys set name=$1, owner=$2, models=$3, endpoints=$4, expires_at=$5, "
            "limits=$6 where id=$7",
            *(key.name, key.owner, _written(key.models), _written(key.endpoints)),
            *(key.expires_at, _written_limits(key.limits), key.id),
        )

    async def note_uses(self, query: Query, uses: Mapping[str, float]) -> None:
        """Record when keys were used, in seconds since 1970, by their ids."""
        rows = [(uses[id], id) for id in sorted(uses)]  # the order in which others lock them
        await query.many(
            "update api_keys set last_used_at=$1 "
            "where id=$2 and (last_used_at is null or last_used_at<$1)",
            rows,
        )

    async def forget(self, query: Query) -> int:
        """Delete the keys that are revoked or expired. Returns how many."""
        gone = "delete from api_keys where revoked_at is not null or expires_at<=$1 returning id"
        return len(await query(gone, time.time()))


def no_such_key(id: str) -> NotFound:
    return NotFound(f"No API key found with id '{id}'.", param="id")


def _read(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else msgspec.json.decode(text, type=tuple[str, ...])


def _written(names: tuple[str, ...] | None) -> str | None:
    return None if names is None else msgspec.json.encode(names).decode()


def _read_limits(text: str | None) -> Mapping[str, int]:
    return {} if text is None else msgspec.json.decode(text, type=dict[str, int])


def _written_limits(limits: Mapping[str, int]) -> str | None:
    return msgspec.json.encode(limits).decode() if limits else None
