"""Jobs in one process, on both databases: what handlers and their callers can rely on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, ClassVar

import pytest

from openedai.errors import Unavailable
from openedai.jobs.handler import RunningJob
from openedai.jobs.jobs import Jobs
from openedai.jobs.leases import LeaseLost, Leases
from openedai.jobs.private import MOST, PrivateInputs
from openedai.jobs.runner import Runner
from openedai.store.database import Query
from openedai.store.store import Store
from tests.jobs.worker import TABLES, Counting


class Bench:
    """A store with jobs and one runner; `main` is the scenario."""

    def __init__(self, store: Store, handler: Any = None, lease: float = 15) -> None:
        self.store = store
        self.jobs = Jobs(store)
        self.runner = Runner(store, self.jobs, [handler or Counting()], lease=lease, poll=0.02)

    def run(self, scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            database = await self.store.database()
            async with database.write() as query:
                for table in TABLES:
                    await query(table)
            self.runner.start()
            try:
                async with asyncio.timeout(60):
                    await scenario()
            finally:
                await self.runner.close()
                await self.store.close()

        asyncio.run(main())

    async def add(
        self, id: str, to: int = 3, attempts: int = 5, private: Any = None, **options: Any
    ) -> None:
        async with (await self.store.database()).write() as query:
            input = {"to": to, "pause": 0, **options}
            await self.jobs.add(query, "count", id, input, attempts=attempts, private=private)
        self.jobs.wake()

    async def ask(self, id: str, wish: Any) -> str | None:
        async with (await self.store.database()).write() as query:
            state = await self.jobs.request(query, id, wish)
        self.jobs.wake()
        return state

    async def resume(self, id: str) -> bool:
        async with (await self.store.database()).write() as query:
            resumed = await self.jobs.resume(query, id)
        self.jobs.wake()
        return resumed

    async def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return await (await self.store.database()).read(sql, *args)

    async def state(self, id: str, *wanted: str) -> str:
        """The job's state, when it is one of `wanted`."""
        while True:
            ((state,),) = await self.rows("select state from jobs where id=$1", id)
            if state in wanted:
                return str(state)
            await asyncio.sleep(0.01)

    async def counted(self, id: str, least: int) -> list[int]:
        """The numbers that the job has counted, when there are so many."""
        while True:
            rows = await self.rows("select n from counted where job=$1 order by n", id)
            if len(rows) >= least:
                return [n for (n,) in rows]
            await asyncio.sleep(0.01)


def test_jobs_are_run_once(store: Store) -> None:
    bench = Bench(store)

    async def scenario() -> None:
        for id in ("a", "b", "c", "d", "e", "f"):
            await bench.add(id)
        for id in ("a", "b", "c", "d", "e", "f"):
            await bench.state(id, "done")
            assert await bench.counted(id, 3) == [0, 1, 2]
        assert await bench.rows("select max(attempt), max(fence) from jobs") == [(1, 1)]
        assert await bench.rows("select count(*) from jobs where owner is null") == [(6,)]

    bench.run(scenario)


def test_a_job_is_added_with_its_transaction_only(store: Store) -> None:
    bench = Bench(store)

    async def scenario() -> None:
        with suppress(ZeroDivisionError):
            async with (await store.database()).write() as query:
                await bench.jobs.add(query, "count", "a", {"to": 1})
                raise ZeroDivisionError
        assert await bench.rows("select id from jobs") == []

    bench.run(scenario)


class Telling:
    """Ends its jobs at once, and notes what it was told."""

    kind: ClassVar[str] = "count"
    slots = 2

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}

    async def run(self, job: RunningJob) -> None:
        self.told[job.id] = job.private
        async with job.step() as query:
            await job.end(query, "done")

    async def fail(self, query: Query, id: str, input: Any, reason: str) -> None:
        pass


def test_private_inputs_are_in_no_database(store: Store) -> None:
    handler = Telling()
    bench = Bench(store, handler)

    async def scenario() -> None:
        await bench.add("a", private={"key": "s3cret"})
        await bench.add("b")
        for id in ("a", "b"):
            await bench.state(id, "done")
        assert handler.told == {"a": {"key": "s3cret"}, "b": None}
        assert "s3cret" not in str(await bench.rows("select * from jobs"))

    bench.run(scenario)
    assert len(bench.jobs.private) == 0


def test_no_other_server_takes_a_job_with_private_inputs(store: Store) -> None:
    """Not while its own one lives, whatever becomes of an attempt."""
    bench = Bench(store)
    bench.runner.start = lambda: None  # type: ignore[method-assign]
    own, other = Leases(store, bench.jobs.server, 60), Leases(store, "other", 60)

    async def taken() -> bool:
        return await other.claim(["count"]) is not None

    async def scenario() -> None:
        for id in ("a", "b"):
            await bench.add(id, private="s3cret")
        assert not await taken()
        assert await own.renew_own() == {"a", "b"}
        claim = await own.claim(["count"])
        assert claim is not None
        async with own.step(claim.id, claim.fence) as query:
            await own.retry(query, claim.id, 0)
        assert not await taken()
        async with (await store.database()).write() as query:  # it has not renewed it
            await query.run("update jobs set server_until=server_until-61 where id='a'")
        assert await taken()
        assert not await taken()
        await own.give_back()
        assert await taken()

    bench.run(scenario)


def test_private_inputs_are_few_and_forgotten() -> None:
    now = 0.0
    inputs = PrivateInputs(lambda: now)
    for number in range(MOST):
        inputs.put(str(number), number)
    with pytest.raises(Unavailable):
        inputs.put("more", 1)
    inputs.keep(())
    assert len(inputs) == MOST  # they are new
    now = 61.0
    inputs.keep({"5"})
    assert (len(inputs), inputs.of("5"), inputs.of("6")) == (1, 5, None)


def test_a_running_job_is_cancelled(store: Store) -> None:
    bench = Bench(store)

    async def scenario() -> None:
        await bench.add("a", 10**6, pause=0.001)
        await bench.counted("a", 1)
        assert await bench.ask("a", "cancel") == "running"
        await bench.state("a", "cancelled")
        assert await bench.rows("select state from ended") == [("cancelled",)]
        assert await bench.ask("a", "cancel") is None

    bench.run(scenario)


def test_a_job_is_paused_and_goes_on(store: Store) -> None:
    bench = Bench(store)

    async def scenario() -> None:
        await bench.add("a", 60, pause=0.01)
        await bench.counted("a", 1)
        assert await bench.ask("a", "pause") == "running"
        await bench.state("a", "paused")
        assert await bench.ask("a", "pause") == "paused"
        numbers = await bench.counted("a", 1)
        assert len(numbers) < 60
        assert await bench.resume("a")
        await bench.state("a", "done")
        assert await bench.counted("a", 60) == list(range(60))
        assert await bench.rows("select attempt, fence from jobs") == [(1, 2)]
        assert not await bench.resume("a")

    bench.run(scenario)


def test_jobs_that_nobody_runs_change_at_once(store: Store) -> None:
    bench = Bench(store)
    bench.runner.start = lambda: None  # type: ignore[method-assign]

    async def scenario() -> None:
        await bench.add("a")
        assert await bench.ask("a", "pause") == "paused"
        assert await bench.resume("a")
        assert await bench.ask("a", "pause") == "paused"
        assert await bench.ask("a", "cancel") == "cancelled"
        assert await bench.ask("a", "cancel") is None
        assert await bench.ask("nobody", "pause") is None

    bench.run(scenario)


def test_a_wish_that_changes_while_a_job_pauses(store: Store) -> None:
    """The handler has heard `pause`; a cancellation, or the end of the pause, is not forgotten."""
    bench = Bench(store)
    bench.runner.start = lambda: None  # type: ignore[method-assign]
    leases = Leases(store, "me", 60)

    async def scenario() -> None:
        for id in ("b", "a"):
            await bench.add(id)
            claim = await leases.claim(["count"])
            assert claim is not None
            assert claim.id == id
            assert await bench.ask(id, "pause") == "running"
            if id == "a":
                assert await bench.ask("a", "cancel") == "running"
                assert await bench.ask("a", "pause") == "running"
            else:
                assert await bench.resume("b")
            async with leases.step(id, claim.fence) as query:
                await leases.pause(query, id)
                await query("update jobs set run_at=run_at+60")
        rows = await bench.rows("select id, state, wanted from jobs order by id")
        assert rows == [("a", "queued", "cancel"), ("b", "queued", None)]

    bench.run(scenario)


def test_a_failed_attempt_is_tried_again_until_none_is_left(store: Store) -> None:
    bench = Bench(store)

    async def scenario() -> None:
        await bench.add("a", 1, attempts=2, fails=True)
        await bench.state("a", "failed")
        assert await bench.counted("a", 1) == [0]
        assert await bench.rows("select job, state, reason from ended") == [
            ("a", "failed", "The server had an error.")
        ]
        assert await bench.rows("select attempt, fence from jobs") == [(2, 2)]

    bench.run(scenario)


def test_a_job_whose_server_died_too_often_fails(store: Store) -> None:
    bench = Bench(store)
    other = Leases(store, "other", -1.0)  # leases that have ended already

    async def scenario() -> None:
        bench.runner._handlers.clear()
        await bench.add("a", attempts=2)
        for attempt in (1, 2):
            claim = await other.claim(["count"])
            assert claim is not None
            assert claim.attempt == attempt
        assert await other.claim(["count"]) is None
        bench.runner._handlers["count"] = Counting()
        await bench.state("a", "failed")
        ((reason,),) = await bench.rows("select reason from ended")
        assert "stopped too often" in reason

    bench.run(scenario)


class Waiting(Counting):
    """Waits until its task is cancelled, and says so."""

    def __init__(self) -> None:
        self.jobs: list[RunningJob] = []
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.cleanup: Callable[[], Awaitable[None]] | None = None

    async def run(self, job: RunningJob) -> None:
        self.jobs.append(job)
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
            if self.cleanup is not None:
                await self.cleanup()


def test_a_lost_lease_cancels_the_task_and_refuses_its_steps(store: Store) -> None:
    handler = Waiting()
    bench = Bench(store, handler, lease=1.0)

    async def scenario() -> None:
        await bench.add("a")
        await bench.state("a", "running")
        database = await store.database()
        async with database.write() as query:
            taken = f"owner='other', fence=fence+1, lease_until={database.now}+60"
            await query(f"update jobs set {taken}")
        (job,) = handler.jobs
        with pytest.raises(LeaseLost):
            async with job.step() as query:
                await query("insert into ended values('a', 'wrong', null)")
        await handler.cancelled.wait()
        assert await bench.rows("select * from ended") == []
        assert await bench.rows("select owner, attempt from jobs") == [("other", 1)]

    bench.run(scenario)


def test_a_removed_job_is_lost(store: Store) -> None:
    handler = Waiting()
    bench = Bench(store, handler)

    async def scenario() -> None:
        await bench.add("a")
        await bench.state("a", "running")
        async with (await store.database()).write() as query:
            await bench.jobs.remove(query, "a")
        bench.jobs.wake()
        await handler.cancelled.wait()

    bench.run(scenario)


def test_a_server_that_stops_gives_its_jobs_back(store: Store) -> None:
    handler = Waiting()
    bench = Bench(store, handler)

    async def scenario() -> None:
        async def save() -> None:
            (job,) = handler.jobs
            async with job.step() as query:
                await job.save(query, 2)

        handler.cleanup = save
        await bench.add("a")
        await bench.state("a", "running")
        await handler.begun.wait()
        await bench.runner.close()
        assert handler.cancelled.is_set()
        rows = await bench.rows("select state, owner, attempt, progress from jobs")
        assert rows == [("queued", None, 0, "2")]

    bench.run(scenario)


def test_slots(store: Store) -> None:
    handler = Waiting()
    handler.slots = 2
    bench = Bench(store, handler)

    async def scenario() -> None:
        for id in ("a", "b", "c"):
            await bench.add(id)
        await bench.state("b", "running")
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert [job.id for job in handler.jobs] == ["a", "b"]
        assert [job.id for job in bench.runner.running] == ["a", "b"]

    bench.run(scenario)


def test_ended_jobs_are_forgotten(store: Store) -> None:
    bench = Bench(store)

    async def scenario() -> None:
        for id in ("a", "b"):
            await bench.add(id, 0)
            await bench.state(id, "done")
        async with (await store.database()).write() as query:
            await query("update jobs set ended_at = ended_at - 31 * 86400 where id='a'")
        await bench.jobs.sweep()
        assert await bench.rows("select id from jobs") == [("b",)]

    bench.run(scenario)


def test_a_handler_can_fail_while_the_database_is_away(store: Store) -> None:
    """The lease is kept until it ends, then the job is taken again."""

    class Failing(Counting):
        async def run(self, job: RunningJob) -> None:
            if job.attempt == 1:
                job.lost = True  # no step is possible any more
                raise Unavailable("The server cannot use its database now.")
            await super().run(job)

    bench = Bench(store, Failing(), lease=1.0)

    async def scenario() -> None:
        await bench.add("a")
        await bench.state("a", "done")
        assert await bench.rows("select fence from jobs") == [(2,)]

    bench.run(scenario)


def test_a_step_whose_end_was_undone_has_not_ended(store: Store) -> None:
    class Undone(Counting):
        async def run(self, job: RunningJob) -> None:
            async def fail(query: Query) -> None:
                await job.end(query, "wrong")
                raise ZeroDivisionError

            with suppress(ZeroDivisionError):
                async with job.step() as query:
                    await fail(query)
            assert not job.ended
            await super().run(job)

    bench = Bench(store, Undone())

    async def scenario() -> None:
        await bench.add("a")
        await bench.state("a", "done")

    bench.run(scenario)


def test_a_runner_leaves_the_random_numbers_of_others_alone(store: Store) -> None:
    bench = Bench(store)

    async def scenario() -> None:
        before = random.getstate()
        await bench.add("one")
        await bench.state("one", "done")
        # The runner waits for changes at least once between two jobs.
        await bench.add("two")
        await bench.state("two", "done")
        assert random.getstate() == before

    bench.run(scenario)
