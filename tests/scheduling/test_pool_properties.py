"""The pool under random interleavings of all its operations."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from openedai.errors import APIError
from openedai.scheduling.evictions import PATIENCE
from tests.scheduling.conftest import LeaseTask, PoolHarness, let_tasks_run, run_virtually

MODELS = ("a", "b", "c")


@dataclass(frozen=True)
class Step:
    """One action, and how many rounds of the loop run after it."""

    action: str
    which: int
    model: str
    caller: str
    slots: int
    rounds: int


steps = st.builds(
    Step,
    action=st.sampled_from(
        ["request"] * 6
        + ["line", "line"]
        + ["finish", "finish", "break", "cancel", "loaded", "loaded", "load fails"]
        + ["die", "unload", "preload", "wait", "grow"]
    ),
    which=st.integers(0, 30),
    model=st.sampled_from(MODELS),
    caller=st.sampled_from("xyz"),
    slots=st.integers(1, 3),
    rounds=st.sampled_from([0, 0, 1, 2, 30]),
)


class RandomRun:
    """Applies steps and checks the invariants after each."""

    def __init__(self, *, slots: int, max_queue: int) -> None:
        self.harness = PoolHarness(
            budget=25,
            slots=slots,
            max_queue=max_queue,
            queue_timeout=50,
            idle_timeout=70,
            manual=True,
        )
        self.harness.sizes["c"] = 20
        self.requests: list[LeaseTask] = []
        self.lines: list[LeaseTask] = []
        self.others: list[asyncio.Task[object]] = []
        self.grown = False

    async def apply(self, step: Step) -> None:
        harness = self.harness
        if step.action == "request":
            self.requests.append(harness.hold(step.model, step.caller, step.slots))
        elif step.action == "line":
            self.lines.append(harness.line(step.model, stays=step.slots == 1))
            self.requests.append(self.lines[-1])
        elif step.action in ("finish", "break", "cancel") and self.requests:
            self._end(step.action, self.requests[step.which % len(self.requests)])
        elif step.action == "loaded" and harness.pending:
            self._load_ends(None)
        elif step.action == "load fails" and harness.pending:
            self._load_ends(EngineFailure("no"))
        elif step.action == "die" and harness.alive:
            harness.alive[step.which % len(harness.alive)].death.set()
        elif step.action == "grow" and harness.alive:
            harness.alive[0].size += 5
            self.grown = True
        elif step.action == "unload":
            self.others.append(asyncio.create_task(harness.pool.unload(step.model)))
        elif step.action == "preload":
            self.others.append(asyncio.create_task(harness.pool.preload(harness.spec(step.model))))
        elif step.action == "wait":
            await asyncio.sleep(step.which)
        await let_tasks_run(step.rounds)
        self.check()

    def _end(self, how: str, request: LeaseTask) -> None:
        if how == "cancel":
            request.task.cancel()
        else:
            request.finish(fail=how == "break")

    def _load_ends(self, error: Exception | None) -> None:
        (model_id,) = self.harness.pending
        if not self.harness.pending[model_id].done():
            self.harness.finish_load(model_id, error)

    def check(self) -> None:
        harness = self.harness
        for engine in harness.engines:
            assert not engine.closed_while_leased
        for model in harness.pool.snapshot().models:
            assert 0 <= model.running <= max(harness.slots, 0)
            lines = sum(line.model_id == model.id for line in self.lines)
            assert 0 <= model.waiting <= max(1, harness.limits.max_queue) + lines
        if not self.grown:
            assert sum(engine.memory() for engine in harness.alive) <= harness.limits.memory_budget
        for request in self.requests:
            error = None if request.task.cancelled() else request.error
            assert error is None or isinstance(error, APIError | ValueError), repr(error)

    async def finish(self) -> None:
        """Let everything end: every request must have an outcome and nothing may be left."""
        harness = self.harness
        for request in self.requests:
            request.finish()
        for _ in range(20):
            await let_tasks_run()
            if harness.pending:
                self._load_ends(None)
            elif not all(line.task.done() for line in self.lines):
                await asyncio.sleep(PATIENCE)
        assert all(request.task.done() for request in self.requests), "a request was lost"
        await asyncio.wait_for(asyncio.gather(*self.others, return_exceptions=True), 1000)
        for model in harness.pool.snapshot().models:
            assert (model.running, model.waiting) == (0, 0)
            assert model.state in ("unloaded", "ready")
        assert await harness.pool.drain(0)
        await harness.pool.close()
        assert not harness.alive
        assert harness.pool.snapshot().memory == 0
        await let_tasks_run()
        assert asyncio.all_tasks() == {asyncio.current_task()}


class EngineFailure(APIError):
    pass


@settings(deadline=None)
@given(st.lists(steps, max_size=50), st.integers(1, 3), st.integers(0, 4))
def test_nothing_leaks_and_every_request_has_an_outcome(
    plan: list[Step], slots: int, max_queue: int
) -> None:
    async def go() -> None:
        run = RandomRun(slots=slots, max_queue=max_queue)
        for step in plan:
            await run.apply(step)
        await run.finish()

    run_virtually(go)


@settings(deadline=None)
@given(st.lists(steps, max_size=30), st.integers(1, 3))
def test_close_at_any_moment_leaves_nothing(plan: list[Step], slots: int) -> None:
    async def go() -> None:
        run = RandomRun(slots=slots, max_queue=2)
        for step in plan:
            await run.apply(step)
        await run.harness.pool.close()
        for request in run.requests:
            request.finish()
        await let_tasks_run()
        assert all(request.task.done() for request in run.requests)
        await asyncio.gather(*(r.task for r in run.requests), return_exceptions=True)
        assert not run.harness.alive
        assert all(model.running == 0 for model in run.harness.pool.snapshot().models)
        await asyncio.gather(*run.others, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(go)
