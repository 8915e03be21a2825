"""Who runs a job: a lease with a time, and a fence that counts how often it was taken.

The only clock is the database's. Whatever a job writes goes through `Leases.step`: a server that
was stopped and goes on, while another one has its job, writes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from openedai.jobs.jobs import FAILED, PAUSED, QUEUED, RUNNING
from openedai.store.database import Query, Value
from openedai.store.store import Store

Held = Mapping[str, int]


class LeaseLost(Exception):
    """Another server has the job, or it was removed; the task ends without recording anything."""


@dataclass(frozen=True)
class Claim:
    """A job that was taken; `attempt` counts from 1."""

    id: str
    kind: str
    input: Any
    progress: Any
    requested: str | None
    fence: int
    attempt: int
    attempts: int


class Leases:
    """The leases of one server, whose name is `owner`; `seconds` is how long they last."""

    def __init__(self, store: Store, owner: str, seconds: float) -> None:
        self.seconds = seconds
        self._store = store
        self._owner = owner

    async def claim(self, kinds: Sequence[str]) -> Claim | None:
        """Take the job of these kinds that has waited the longest, if there is one."""
        database = await self._store.database()
        now = database.now
        names = ", ".join(f"${number}" for number in range(1, len(kinds) + 1))
        owner, seconds = len(kinds) + 1, len(kinds) + 2
        due = (
            f"kind in ({names}) and attempt < attempts and ((state='{QUEUED}' and run_at <= {now})"
            f" or (state='{RUNNING}' and lease_until < {now}))"
            f" and (server is null or server=${owner} or server_until < {now})"
        )
        first = f"select id from jobs where {due} order by run_at, id limit 1"
        if not await database.read(first, *kinds, self._owner):
            return None
        args: list[Value] = [*kinds, self._owner, self.seconds]
        async with database.write() as query:
            rows = await query(
                f"update jobs set state='{RUNNING}', owner=${owner}, fence=fence+1, "
                f"attempt=attempt+1, lease_until={now}+${seconds} "
                f"where id=({first}{database.skip_locked}) and {due} "
                "returning id, kind, input, progress, wanted, fence, attempt, attempts",
                *args,
            )
        for id, kind, input, progress, requested, *numbers in rows:
            return Claim(id, kind, _read(input), _read(progress), requested, *numbers)
        return None

    async def renew(self, held: Held) -> dict[str, str | None]:
        """Renew leases. Returns those that are still held, with what is requested of each job."""
        database = await self._store.database()
        kept: dict[str, str | None] = {}
        async with database.write() as query:
            for id, fence in held.items():
                kept |= await query(
                    f"update jobs set lease_until={database.now}+$1 "
                    f"where id=$2 and fence=$3 and state='{RUNNING}' returning id, wanted",
                    *(self.seconds, id, fence),
                )
        return kept

    async def renew_own(self) -> set[str]:
        """Prolong the time in which no other server takes jobs with private inputs of this one.
        Returns those that have not ended.
        """
        database = await self._store.database()
        async with database.write() as query:
            rows = await query(
                f"update jobs set server_until={database.now}+$1 "
                f"where server=$2 and state in ('{QUEUED}', '{RUNNING}') returning id",
                *(self.seconds, self._owner),
            )
        return {id for (id,) in rows}

    @asynccontextmanager
    async def step(self, id: str, fence: int) -> AsyncIterator[Query]:
        """A transaction that is committed only if the lease is held. Raises LeaseLost."""
        database = await self._store.database()
        async with database.write() as query:
            held = f"select 1 from jobs where id=$1 and fence=$2 and state='{RUNNING}'"
            if not await query(held + database.for_update, id, fence):
                raise LeaseLost(id)
            yield query

    async def save(self, query: Query, id: str, progress: Any) -> None:
        """Save, in a step, what the next attempt begins with. From then on attempts are counted
        anew.
        """
        await query.run("update jobs set progress=$1, attempt=1 where id=$2", _write(progress), id)

    async def end(self, query: Query, id: str, state: str, reason: str | None = None) -> None:
        """End a running job, in a step."""
        now = (await self._store.database()).now
        await query.run(
            f"update jobs set state=$1, reason=$2, ended_at={now}, owner=null, lease_until=null, "
            "wanted=null where id=$3",
            *(state, reason, id),
        )

    async def pause(self, query: Query, id: str) -> None:
        """Give up a job, in a step, because a pause is requested. This does not count as an
        attempt.

        It is queued at once if something else has been requested meanwhile.
        """
        now = (await self._store.database()).now
        await query.run(
            f"update jobs set state=case when wanted='pause' then '{PAUSED}' else '{QUEUED}' end, "
            "wanted=case when wanted='cancel' then wanted else null end, "
            f"run_at={now}, attempt=attempt-1, owner=null, lease_until=null where id=$1",
            id,
        )

    async def retry(self, query: Query, id: str, pause: float) -> None:
        """Queue a job for another attempt, after `pause` seconds, in a step."""
        now = (await self._store.database()).now
        await query.run(
            f"update jobs set state='{QUEUED}', run_at={now}+$1, owner=null, lease_until=null "
            "where id=$2",
            *(pause, id),
        )

    async def give_back(self, but: Collection[str] = ()) -> None:
        """Queue the jobs of this server again, so that others need not wait for the leases."""
        database = await self._store.database()
        others = "".join(f" and id <> ${number}" for number in range(2, len(but) + 2))
        async with database.write() as query:
            await query.run(
                f"update jobs set state='{QUEUED}', run_at={database.now}, attempt=attempt-1, "
                f"owner=null, lease_until=null where owner=$1 and state='{RUNNING}'{others}",
                *(self._owner, *but),
            )
            await query.run("update jobs set server_until=0 where server=$1", self._owner)

    async def used_up(self) -> list[tuple[str, str, Any]]:
        """(id, kind, input) of jobs whose last attempt broke off; nobody takes them again."""
        database = await self._store.database()
        rows = await database.read(
            f"select id, kind, input from jobs where attempt >= attempts and ((state='{RUNNING}' "
            f"and lease_until < {database.now}) or state='{QUEUED}')"
        )
        return [(id, kind, _read(input)) for id, kind, input in rows]

    @asynccontextmanager
    async def burying(self, id: str, reason: str) -> AsyncIterator[Query | None]:
        """A transaction in which such a job fails; yields None if another server was faster."""
        database = await self._store.database()
        async with database.write() as query:
            failed = await query(
                f"update jobs set state='{FAILED}', reason=$1, ended_at={database.now}, "
                "owner=null, lease_until=null, fence=fence+1 "
                f"where id=$2 and attempt >= attempts and ((state='{RUNNING}' "
                f"and lease_until < {database.now}) or state='{QUEUED}') returning id",
                *(reason, id),
            )
            yield query if failed else None


def _read(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _write(value: Any) -> Value:
    return None if value is None else msgspec.json.encode(value).decode()
