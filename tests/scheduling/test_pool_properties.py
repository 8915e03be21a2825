"""The pool under random interleavings of everything that can happen to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from openedai.errors import APIError
from tests.scheduling.conftest import Holder, World, run_virtually, settle

MODELS = ("a", "b", "c")


@dataclass(frozen=True)
class Step:
    """One thing that happens, and how far the loop runs before the next one."""

    action: str
    which: int
    model: str
    caller: str
    weight: int
    rounds: int


steps = st.builds(
    Step,
    action=st.sampled_from(
        ["request"] * 6
        + ["finish", "finish", "break", "cancel", "loaded", "loaded", "load fails"]
        + ["die", "unload", "preload", "wait", "grow"]
    ),
    which=st.integers(0, 30),
    model=st.sampled_from(MODELS),
    caller=st.sampled_from("xyz"),
    weight=st.integers(1, 3),
    rounds=st.sampled_from([0, 0, 1, 2, 30]),
)


class Drill:
    """Applies steps to a world and checks after each what must always hold."""

    def __init__(self, *, slots: int, max_queue: int) -> None:
        self.world = World(
            budget=25,
            slots=slots,
            max_queue=max_queue,
            queue_timeout=50,
            idle_timeout=70,
            manual=True,
        )
        self.world.sizes["c"] = 20
        self.requests: list[Holder] = []
        self.others: list[asyncio.Task[object]] = []
        self.grown = False

    async def apply(self, step: Step) -> None:
        world = self.world
        if step.action == "request":
            self.requests.append(world.hold(step.model, step.caller, step.weight))
        elif step.action in ("finish", "break", "cancel") and self.requests:
            self._end(step.action, self.requests[step.which % len(self.requests)])
        elif step.action == "loaded" and world.pending:
            self._load_ends(None)
        elif step.action == "load fails" and world.pending:
            self._load_ends(EngineFailure("no"))
        elif step.action == "die" and world.alive:
            world.alive[step.which % len(world.alive)].end.set()
        elif step.action == "grow" and world.alive:
            world.alive[0].size += 5
            self.grown = True
        elif step.action == "unload":
            self.others.append(asyncio.create_task(world.pool.unload(step.model)))
        elif step.action == "preload":
            self.others.append(asyncio.create_task(world.pool.preload(world.spec(step.model))))
        elif step.action == "wait":
            await asyncio.sleep(step.which)
        await settle(step.rounds)
        self.check()

    def _end(self, how: str, request: Holder) -> None:
        if how == "cancel":
            request.task.cancel()
        else:
            request.finish(fail=how == "break")

    def _load_ends(self, error: Exception | None) -> None:
        (model_id,) = self.world.pending
        if not self.world.pending[model_id].done():
            self.world.finish_load(model_id, error)

    def check(self) -> None:
        world = self.world
        for engine in world.engines:
            assert not engine.closed_while_leased
        for model in world.pool.snapshot().models:
            assert 0 <= model.running <= max(world.slots, 0)
            assert 0 <= model.waiting <= max(1, world.limits.max_queue)
        if not self.grown:
            assert sum(engine.memory() for engine in world.alive) <= world.limits.memory_budget
        for request in self.requests:
            error = None if request.task.cancelled() else request.error
            assert error is None or isinstance(error, APIError | ValueError), repr(error)

    async def finish(self) -> None:
        """Let everything end: every request must have an outcome and nothing may be left."""
        world = self.world
        for request in self.requests:
            request.finish()
        for _ in range(20):
            await settle()
            if world.pending:
                self._load_ends(None)
        assert all(request.task.done() for request in self.requests), "a request was lost"
        await asyncio.wait_for(asyncio.gather(*self.others, return_exceptions=True), 1000)
        for model in world.pool.snapshot().models:
            assert (model.running, model.waiting) == (0, 0)
            assert model.state in ("unloaded", "ready")
        assert await world.pool.drain(0)
        await world.pool.close()
        assert not world.alive
        assert world.pool.snapshot().memory == 0
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}


class EngineFailure(APIError):
    pass


@settings(deadline=None)
@given(st.lists(steps, max_size=50), st.integers(1, 3), st.integers(0, 4))
def test_nothing_leaks_and_every_request_has_an_outcome(
    plan: list[Step], slots: int, max_queue: int
) -> None:
    async def go() -> None:
        drill = Drill(slots=slots, max_queue=max_queue)
        for step in plan:
            await drill.apply(step)
        await drill.finish()

    run_virtually(go)


@settings(deadline=None)
@given(st.lists(steps, max_size=30), st.integers(1, 3))
def test_close_at_any_moment_leaves_nothing(plan: list[Step], slots: int) -> None:
    async def go() -> None:
        drill = Drill(slots=slots, max_queue=2)
        for step in plan:
            await drill.apply(step)
        await drill.world.pool.close()
        for request in drill.requests:
            request.finish()
        await settle()
        assert all(request.task.done() for request in drill.requests)
        await asyncio.gather(*(r.task for r in drill.requests), return_exceptions=True)
        assert not drill.world.alive
        assert all(model.running == 0 for model in drill.world.pool.snapshot().models)
        await asyncio.gather(*drill.others, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(go)
