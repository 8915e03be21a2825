"""What was used of limits, kept across restarts of the server, and the limits of projects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from openedai.store.database import Query
from openedai.store.store import Store

# Longer than the longest period with a limit, which is a month.
_KEPT_SECONDS = 40 * 86_400.0


class LimitRecords:
    """A counter has a name and a state, which is a text that only its user understands."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def load(self, query: Query, counters: Sequence[str]) -> tuple[float, dict[str, str]]:
        """Lock the counters until the end of the transaction. Returns the database's time and the
        existing states.
        """
        database = await self.store.database()
        marks = ", ".join(f"${number}" for number in range(1, len(counters) + 1))
        rows = await query(
            f"select {database.now}, counter, state from limit_counts where counter in ({marks}) "
            f"order by counter{database.for_update}",
            *counters,
        )
        now = rows[-1][0] if rows else (await query(f"select {database.now}"))[0][0]
        return now, {counter: state for _, counter, state in rows}

    async def make(self, query: Query, counters: Sequence[str]) -> None:
        """Add counters that do not exist: before any is loaded, and always in the same order, so
        that no two transactions wait for each other.
        """
        await query.many(
            "insert into limit_counts values($1, '{}', 0) on conflict do nothing",
            [[counter] for counter in sorted(counters)],
        )

    async def save(self, query: Query, states: Mapping[str, str], now: float) -> None:
        await query.many(
            "insert into limit_counts values($1, $2, $3) on conflict(counter) "
            "do update set state=excluded.state, changed_at=excluded.changed_at",
            [[counter, state, now] for counter, state in states.items()],
        )

    async def sweep(self) -> None:
        """Delete counters that no longer matter."""
        database = await self.store.database()
        async with database.write() as query:
            await query.run(
                f"delete from limit_counts where changed_at < {database.now} - $1", _KEPT_SECONDS
            )

    async def project_limits(self) -> dict[tuple[str, str], str]:
        """The limits of projects, as JSON, by the project and the model."""
        database = await self.store.database()
        rows = await database.read("select project, model, limits from project_limits")
        return {(project, model): limits for project, model, limits in rows}

    async def set_project_limits(self, project: str, model: str, limits: str) -> None:
        database = await self.store.database()
        async with database.write() as query:
            await query.run(
                "insert into project_limits values($1, $2, $3) on conflict(project, model) "
                "do update set limits=excluded.limits",
                *(project, model, limits),
            )
