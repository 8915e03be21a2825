"""A pool for tests: on virtual time, which jumps to the next timer, with fake engines."""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Any, TypeVarTuple

from openedai.config import ModelSpec
from openedai.contract.engine import Generator
from openedai.contract.generate import GenerateEvent, GenerateRequest
from openedai.http.exchange import Background
from openedai.scheduling.pool import ModelPool
from openedai.scheduling.state import PoolLimits

Ts = TypeVarTuple("Ts")


class _JumpingSelector(selectors.SelectSelector):
    """Advances the time instead of sleeping."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: everything waits, and no timer is set")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._selector_clock = _JumpingSelector()
        self._timers: list[asyncio.TimerHandle] = []
        super().__init__(self._selector_clock)

    def time(self) -> float:
        return self._selector_clock.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        self._timers.append(timer)
        return timer

    @property
    def timers(self) -> list[asyncio.TimerHandle]:
        """The timers that will still fire."""
        return [t for t in self._timers if not t.cancelled() and t.when() > self.time()]


def run_virtually(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


async def let_tasks_run(rounds: int = 30) -> None:
    """Run every task until it waits for something else than its next turn."""
    for _ in range(rounds):
        await asyncio.sleep(0)


def now() -> float:
    return asyncio.get_running_loop().time()


def timers() -> list[asyncio.TimerHandle]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.timers


class FakeEngine(Generator):
    """`in_use` counts the slots of its leases. `death` makes it die; `close` waits for `may_close`.

    `broken` makes `close`, `memory` and, after the death, `died` fail; with `ignores_cancellation`,
    `died` returns when it is cancelled.
    """

    def __init__(self, model_id: str, slots: int, size: int) -> None:
        self.model_id = model_id
        self.slots = slots
        self.size = size
        self.in_use = 0
        self.broken = False
        self.ignores_cancellation = False
        self.closed = False
        self.closed_while_leased = False
        self.death = asyncio.Event()
        self.may_close = asyncio.Event()
        self.may_close.set()

    async def close(self) -> None:
        self.closed_while_leased |= self.in_use > 0 and not self.death.is_set()
        await self.may_close.wait()
        self.closed = True
        if self.broken:
            raise OSError("broken")

    def memory(self) -> int:
        if self.broken:
            raise OSError("broken")
        return 0 if self.closed else self.size

    def alive(self) -> bool:
        return not self.death.is_set()

    async def died(self) -> None:
        try:
            await self.death.wait()
        except asyncio.CancelledError:
            if not self.ignores_cancellation:
                raise
        if self.broken:
            raise OSError("broken")

    def generate(self, request: GenerateRequest) -> AsyncGenerator[GenerateEvent, None]:
        raise NotImplementedError


class PoolHarness:
    """A pool over fake engines. Loads wait for `finish_load` while `manual` is set."""

    def __init__(
        self,
        *,
        budget: int = 100,
        idle_timeout: float = 0,
        max_queue: int = 4,
        queue_timeout: float = 60,
        manual: bool = False,
        slots: int = 1,
    ) -> None:
        self.manual = manual
        self.slots = slots
        self.sizes: dict[str, int] = {}
        self.estimates: dict[str, int] = {}
        self.engines: list[FakeEngine] = []
        self.loads: Counter[str] = Counter()
        self.pending: dict[str, asyncio.Future[None]] = {}
        self.waits: list[tuple[str, float]] = []
        self._held: list[LeaseTask] = []
        self.limits = PoolLimits(budget, idle_timeout, max_queue, queue_timeout)
        self.pool = ModelPool(
            self._load,
            lambda spec: {FakeEngine} if spec.engine == "fake" else set(),
            self.limits,
            clock=now,
            estimate=self._estimate,
            on_wait=lambda model_id, seconds: self.waits.append((model_id, seconds)),
        )

    def spec(self, model_id: str) -> ModelSpec:
        return ModelSpec(id=model_id, engine="fake")

    def lease(
        self,
        model_id: str,
        caller: str = "me",
        slots: int = 1,
        background: Background | None = None,
    ) -> AbstractAsyncContextManager[FakeEngine]:
        return self.pool.lease(self.spec(model_id), FakeEngine, caller, slots, background)

    def hold(self, model_id: str, caller: str = "me", slots: int = 1) -> LeaseTask:
        task = LeaseTask(self, model_id, caller, slots)
        self._held.append(task)  # the event loop refers to its tasks only weakly
        return task

    def line(self, model_id: str, *, stays: bool = False) -> LeaseTask:
        """A request in the background, which ends when it is asked to give way, unless it stays."""
        task = LeaseTask(self, model_id, "batch", 1, in_background=True, stays=stays)
        self._held.append(task)
        return task

    def finish_load(self, model_id: str, error: Exception | None = None) -> None:
        gate = self.pending[model_id]
        if error is None:
            gate.set_result(None)
        else:
            gate.set_exception(error)

    @property
    def alive(self) -> list[FakeEngine]:
        return [engine for engine in self.engines if not engine.closed]

    def loaded(self) -> list[str]:
        return [model.id for model in self.pool.snapshot().models if model.state == "ready"]

    def _estimate(self, spec: ModelSpec) -> int:
        return self.estimates.get(spec.id, self.sizes.get(spec.id, 10))

    async def _load(self, spec: ModelSpec) -> FakeEngine:
        assert not self.pending, "two loads at once"
        self.loads[spec.id] += 1
        self.pending[spec.id] = asyncio.get_running_loop().create_future()
        try:
            if self.manual:
                await self.pending[spec.id]
        finally:
            del self.pending[spec.id]
        engine = FakeEngine(spec.id, self.slots, self.sizes.get(spec.id, 10))
        self.engines.append(engine)
        return engine


class LeaseTask:
    """A request in its own task, which holds its lease until `finish`."""

    def __init__(
        self,
        harness: PoolHarness,
        model_id: str,
        caller: str,
        slots: int,
        *,
        in_background: bool = False,
        stays: bool = False,
    ) -> None:
        self.model_id, self.caller, self.slots = model_id, caller, slots
        self._background = Background(None if stays else self.finish) if in_background else None
        self.engine: FakeEngine | None = None
        self._done = asyncio.Event()
        self._fail = False
        self._harness = harness
        self.task = asyncio.create_task(self._run())
        # The tests look at an error where they expect one; asyncio need not warn of the others.
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())

    @property
    def holding(self) -> bool:
        return self.engine is not None and not self.task.done()

    @property
    def error(self) -> BaseException | None:
        return self.task.exception() if self.task.done() else None

    def finish(self, *, fail: bool = False) -> None:
        self._fail = fail
        self._done.set()

    async def _run(self) -> None:
        async with self._harness.lease(
            self.model_id, self.caller, self.slots, self._background
        ) as engine:
            taken = min(self.slots, engine.slots)
            self.engine = engine
            engine.in_use += taken
            assert engine.in_use <= engine.slots, "more requests than slots"
            assert not engine.closed or engine.death.is_set(), "leased a closed engine"
            try:
                await self._done.wait()
                if self._fail:
                    raise ValueError("the request failed")
            finally:
                engine.in_use -= taken
