"""Jobs as rows: adds them, and asks for them to be paused, resumed or cancelled."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import msgspec

from openedai.jobs.private import PrivateInputs
from openedai.store.database import Query, Value
from openedai.store.ids import ordered_id
from openedai.store.store import Store

ATTEMPTS = 5
# How long a server has a job, and its name on jobs that no other one may take, unless it renews it.
LEASE_SECONDS = 15.0
# How long the row of an ended job is kept.
_KEPT_SECONDS = 30 * 86400.0

Action = Literal["pause", "cancel"]
# The states before the end. A handler chooses the names of its own final states.
QUEUED, RUNNING, PAUSED = "queued", "running", "paused"
CANCELLED, FAILED = "cancelled", "failed"


class Jobs:
    """What anyone may do with a job. Each method is part of the caller's transaction, which also
    changes what the job belongs to; call `wake` after the commit. `server` is the name of this
    server.
    """

    def __init__(self, store: Store) -> None:
        self.changed = asyncio.Event()
        self.server = ordered_id("server_")
        self.private = PrivateInputs()
        self._store = store

    async def add(
        self,
        query: Query,
        kind: str,
        id: str,
        input: Any,
        *,
        attempts: int = ATTEMPTS,
        private: Any = None,
    ) -> None:
        """Add a job; `input` is JSON. It fails after `attempts` attempts that broke off.

        `private` is what the database is not told. Then no other server takes the job while this
        one lives; one that takes it afterwards does not know it. Raises Unavailable if there are
        too many such jobs.
        """
        now = (await self._store.database()).now
        columns, values = "", ""
        args: list[Value] = [id, kind, msgspec.json.encode(input).decode(), attempts]
        if private is not None:
            self.private.put(id, private)
            columns, values = ", server, server_until", f", $5, {now}+$6"
            args += [self.server, LEASE_SECONDS]
        await query.run(
            f"insert into jobs(id, kind, state, input, run_at, attempt, attempts, fence{columns}) "
            f"values($1, $2, '{QUEUED}', $3, {now}, 0, $4, 0{values})",
            *args,
        )

    async def lock(self, query: Query, id: str) -> str | None:
        """Lock a job until the end of the transaction. Returns its state.

        The steps of a job lock it before what it belongs to. Everybody else must do so too, or two
        transactions could wait for each other.
        """
        suffix = (await self._store.database()).for_update
        rows = await query(f"select state from jobs where id=$1{suffix}", id)
        return str(rows[0][0]) if rows else None

    async def request(self, query: Query, id: str, action: Action) -> str | None:
        """Request that a job is paused or cancelled. Call this before what it belongs to is locked.

        Returns its state. A job that nobody runs is in the new state at once, and the caller
        changes what it belongs to; for a running one the handler does that as soon as it can. None
        for a job that has ended.
        """
        database = await self._store.database()
        idle = (QUEUED,) if action == "pause" else (QUEUED, PAUSED)
        state = await self.lock(query, id)
        if state in idle:
            state = PAUSED if action == "pause" else CANCELLED
            ended = "null" if action == "pause" else database.now
            await query.run(f"update jobs set state=$1, ended_at={ended} where id=$2", state, id)
            return state
        if state == RUNNING:  # a cancellation is not taken back
            await query.run(
                "update jobs set wanted=$1 where id=$2 and coalesce(wanted, '') <> 'cancel'",
                *(action, id),
            )
        return state if state in (RUNNING, PAUSED) else None

    async def resume(self, query: Query, id: str) -> bool:
        """Queue a job that is paused, or about to pause, again with all its attempts.

        Returns whether it was one of these.
        """
        now = (await self._store.database()).now
        paused = await query(
            f"update jobs set state='{QUEUED}', wanted=null, attempt=0, run_at={now} "
            f"where id=$1 and state='{PAUSED}' returning id",
            id,
        )
        pausing = await query(
            f"update jobs set wanted=null where id=$1 and state='{RUNNING}' and wanted='pause' "
            "returning id",
            id,
        )
        return bool(paused or pausing)

    async def remove(self, query: Query, id: str) -> None:
        """Delete a job, in the transaction that deletes what it belongs to. Whoever runs it loses
        it.
        """
        await query.run("delete from jobs where id=$1", id)

    def wake(self) -> None:
        """Have this server look at the jobs at once, because they were changed."""
        self.changed.set()

    async def sweep(self) -> None:
        """Delete jobs that ended long ago."""
        database = await self._store.database()
        async with database.write() as query:
            await query.run(f"delete from jobs where ended_at < {database.now} - $1", _KEPT_SECONDS)
