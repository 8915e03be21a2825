"""Loads, evicts and closes the engines of the pool's models.

Every model has at most one load task, and one model is loaded at a time. If a model does not fit
because leased models hold the memory, its load task waits without the lock, so that others can
load. A load that no request waits for is dropped before it begins, but not after: the model is then
idle.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from openedai.config import ModelSpec
from openedai.contract.engine import Engine
from openedai.errors import APIError, EngineFailed, Unavailable
from openedai.scheduling.admission import Admission
from openedai.scheduling.evictions import Evictions
from openedai.scheduling.residency import Resident
from openedai.scheduling.state import ManagedModel, PoolLimits

T = TypeVar("T")
log = logging.getLogger("openedai.scheduling")

SHORTEST_TIMER = 0.001
# How often to try to load a model that only the background waits for.
_BACKGROUND_SECONDS = 1.0


class Loads:
    """`models` are all models that were ever requested; the pool adds to them.

    `load` makes an engine, and leaves nothing behind if it fails or is cancelled. `estimate`
    returns the expected bytes of a model that was never loaded. `accepting` is False once the
    server shuts down. `closing` are the engines that are not closed yet.
    """

    def __init__(
        self,
        load: Callable[[ModelSpec], Awaitable[Engine]],
        models: Mapping[str, ManagedModel],
        limits: PoolLimits,
        clock: Callable[[], float],
        estimate: Callable[[ModelSpec], int],
    ) -> None:
        self.accepting = True
        self.closing: dict[Resident, asyncio.Task[None]] = {}
        self._load_engine = load
        self._models = models
        self._limits = limits
        self._clock = clock
        self._estimate = estimate
        self._evictions = Evictions(models, limits.memory_budget, clock)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._load_lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._idle_timer: asyncio.TimerHandle | None = None

    def start(self, model: ManagedModel) -> asyncio.Task[APIError | None]:
        """The task that loads the model; it returns the error if that fails."""
        if model.load_task is None:
            model.load_task = self._spawn(self._load_model(model))
        else:
            self.notify()  # it may be waiting for the background only
        return model.load_task

    def evict(self, resident: Resident) -> asyncio.Task[None]:
        """Begin to unload the model; the task ends when its engine is closed."""
        model = self._models[resident.model_id]
        model.evictions += 1
        # In use it may have grown beyond the budget, but it must still be loadable.
        model.measured_memory = min(resident.measure(), self._limits.memory_budget)
        if model.watch_task is not None:
            model.watch_task.cancel()
            model.watch_task = None
        model.admission.detach()
        if model.has_demand and self.accepting:  # by the background
            self.start(model)
        return self._close_engine(resident)

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """Keep `size` bytes free of models."""
        self.require_accepting()
        if size > self._limits.memory_budget:
            raise Unavailable(
                f"This needs {size / 2**20:,.0f} MiB of memory, more than the "
                f"{self._limits.memory_budget / 2**20:,.0f} MiB that models may take here."
            )
        while True:
            async with self._load_lock:
                plan = self._evictions.plan(size)
                if plan.fits:
                    self._evictions.reserved += size
                    break
            await self.wait_for_change()
        try:
            await asyncio.gather(*(self.evict(resident) for resident in plan.evicted))
            yield
        finally:
            self._evictions.reserved -= size
            self.notify()

    def expected_memory(self, spec: ModelSpec) -> int:
        """The bytes that the last load measured, or those expected from its files."""
        model = self._models.get(spec.id)
        measured = None if model is None else model.measured_memory
        return self._estimate(spec) if measured is None else measured

    def start_idle_timer(self) -> None:
        """Start looking for models that are idle for too long, unless that is already scheduled."""
        if self._idle_timer is None and self._limits.idle_timeout > 0 and self.accepting:
            loop = asyncio.get_running_loop()
            self._idle_timer = loop.call_later(self._limits.idle_timeout, self._evict_idle)

    def notify(self) -> None:
        """Wake all tasks that wait for a change, to check their condition again."""
        self._changed.set()
        self._changed.clear()

    async def wait_for_change(self) -> None:
        """Until a model is loaded or unloaded, a lease ends, or a request leaves."""
        await self._changed.wait()

    def require_accepting(self) -> None:
        """Raises Unavailable if the server shuts down."""
        if not self.accepting:
            raise shutting_down()

    async def close(self) -> None:
        """Cancel the loads, and close every engine, leased or not."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        load_tasks = {
            model.load_task for model in self._models.values() if model.load_task is not None
        }
        for task in load_tasks:
            task.cancel()
        if load_tasks:
            await asyncio.wait(load_tasks)
        for resident in self._evictions.residents():
            self.evict(resident)
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _load_model(self, model: ManagedModel) -> APIError | None:
        """Load the model. Returns the error if that fails, after refusing all waiting requests."""
        error: APIError | None = None
        try:
            await self._load_when_it_fits(model)
        except APIError as failure:
            error = failure
        except asyncio.CancelledError:  # by close(), or by an engine that cancelled itself
            interrupted = EngineFailed(f"Loading the model `{model.spec.id}` was interrupted.")
            error = interrupted if self.accepting else shutting_down()
        except Exception:
            log.exception("loading %s failed", model.spec.id)
            error = EngineFailed(
                f"The model `{model.spec.id}` could not be loaded. The server's log has the cause."
            )
        model.load_task = None
        if error is not None:
            model.failed_loads += 1
            model.admission.refuse_all(error)
        return error

    async def _load_when_it_fits(self, model: ManagedModel) -> None:
        paused: set[Admission] = set()
        try:
            while model.has_demand:
                async with self._load_lock:
                    if not model.has_demand:
                        return
                    need = self._required_memory(model)
                    plan = self._evictions.plan(need, for_clients=model.has_clients_waiting)
                    if plan.fits:
                        for resident in plan.evicted:
                            self.evict(resident)
                        while self.closing:
                            await asyncio.wait(self.closing.values())
                        began = self._clock()
                        self._install(model, await self._load_engine(model.spec), began)
                        return
                for_clients = model.has_clients_waiting
                paused = self._evictions.pause_background(need, paused, for_clients=for_clients)
                await self._wait_for_memory(model)
        finally:
            for admission in paused:
                admission.resume_background()

    async def _wait_for_memory(self, model: ManagedModel) -> None:
        """Wait until the model may fit. If only the background wants it, not every change is looked
        at.
        """
        if model.has_clients_waiting:
            await self.wait_for_change()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_BACKGROUND_SECONDS):
                while model.has_demand and not model.has_clients_waiting:
                    await self.wait_for_change()

    def _required_memory(self, model: ManagedModel) -> int:
        need = self.expected_memory(model.spec)
        self._refuse_oversize(model, need)
        return need

    def _refuse_oversize(self, model: ManagedModel, need: int) -> None:
        if need > self._limits.memory_budget:
            raise Unavailable(
                f"The model `{model.spec.id}` needs {need / 2**20:,.0f} MiB of memory, more than "
                f"the {self._limits.memory_budget / 2**20:,.0f} MiB that models may take here."
            )

    def _install(self, model: ManagedModel, engine: Engine, began: float) -> None:
        now = self._clock()
        slots = max(1, engine.slots)
        resident = Resident(model.spec.id, engine, slots, now, load_began_at=began, loaded_at=now)
        model.measured_memory = resident.measure()
        try:
            self._refuse_oversize(model, resident.memory)
        except Unavailable:
            self._close_engine(resident)
            raise
        model.loads += 1
        model.watch_task = self._spawn(self._watch(model, resident))
        model.admission.attach(resident)
        for other in self._evictions.plan(0).evicted:
            self.evict(other)
        self.start_idle_timer()

    async def _watch(self, model: ManagedModel, resident: Resident) -> None:
        """Detach the engine when it dies, and load the model again if requests wait."""
        try:
            await resident.engine.died()
        except Exception:
            log.exception("watching %s failed; it counts as dead", model.spec.id)
        if model.admission.resident is not resident:
            return
        log.warning("the engine of %s died", model.spec.id)
        model.crashes += 1
        model.watch_task = None
        model.admission.detach()
        self._close_engine(resident)
        if model.has_demand:
            self.start(model)

    def _close_engine(self, resident: Resident) -> asyncio.Task[None]:
        task = self.closing[resident] = self._spawn(self._finish_closing(resident))
        return task

    async def _finish_closing(self, resident: Resident) -> None:
        try:
            await resident.engine.close()
        except Exception:
            log.exception("closing %s failed", resident.model_id)
        finally:
            del self.closing[resident]
            self.notify()

    def _evict_idle(self) -> None:
        """Evict models that have been idle for too long, and set the timer for the next one."""
        self._idle_timer = None
        remaining = {
            resident: resident.last_used + self._limits.idle_timeout - self._clock()
            for resident in self._evictions.residents()
            if resident.idle
        }
        for resident in [resident for resident, seconds in remaining.items() if seconds <= 0]:
            del remaining[resident]
            self.evict(resident)
        if remaining:
            seconds = max(SHORTEST_TIMER, min(remaining.values()))
            self._idle_timer = asyncio.get_running_loop().call_later(seconds, self._evict_idle)

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def shutting_down() -> Unavailable:
    return Unavailable("The server is shutting down.")
