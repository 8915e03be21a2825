"""Leases of loaded models: lookup, admission, loading and eviction in one step.

A lease waits in its model's queue (`admission`) until the engine is loaded and a slot is free.
Every model has at most one load task, and one model is loaded at a time. A load task whose model
does not fit because leased models hold the memory waits without the lock, so that others can load.
A load that no request waits for is dropped before it begins, but not once it has begun: the model
is then idle. The state is consistent at every await, so a cancellation has no effect on others.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from openedai.config import ModelSpec
from openedai.contract.engine import Engine
from openedai.errors import APIError, EngineFailed, Unavailable
from openedai.http.exchange import Background
from openedai.scheduling.admission import Admission, Ticket
from openedai.scheduling.capabilities import unsupported
from openedai.scheduling.evictions import Evictions
from openedai.scheduling.residency import Resident
from openedai.scheduling.state import ManagedModel, Occupancy, PoolLimits, PoolStatus

E = TypeVar("E", bound=Engine)
T = TypeVar("T")
log = logging.getLogger("openedai.scheduling")

SHORTEST_TIMER = 0.001
# How often a model that only the background waits for is tried to be loaded.
_BACKGROUND_SECONDS = 1.0


class ModelPool:
    """Models that are loaded on first use and evicted when others need the memory.

    `load` makes an engine and leaves nothing behind if it fails or is cancelled. `capabilities_of`
    returns the classes that the engine of a model inherits, without loading it. `estimate` returns
    the expected bytes of a model that was never loaded; `on_wait` is called with the model's id
    and the seconds that each lease waited.
    """

    def __init__(
        self,
        load: Callable[[ModelSpec], Awaitable[Engine]],
        capabilities_of: Callable[[ModelSpec], Collection[type[Engine]]],
        limits: PoolLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
        estimate: Callable[[ModelSpec], int] = lambda spec: 0,
        on_wait: Callable[[str, float], None] = lambda model_id, seconds: None,
    ) -> None:
        self._load_engine = load
        self._capabilities_of = capabilities_of
        self._limits = limits
        self._clock = clock
        self._estimate = estimate
        self._on_wait = on_wait
        self._accepting = True
        self._requests = 0
        self._models: dict[str, ManagedModel] = {}
        self._evictions = Evictions(self._models, limits.memory_budget, clock)
        self._closing: dict[Resident, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._load_lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._idle_timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def lease(
        self,
        spec: ModelSpec,
        capability: type[E],
        caller: str,
        slots: int = 1,
        background: Background | None = None,
    ) -> AsyncIterator[E]:
        """Hold `slots` of the engine's slots, or all if it has fewer. Releasing never awaits.

        A request in the background waits behind all others, as long as it takes.

        Raises Unsupported (wrong kind of model), RateLimited or Unavailable (queue full, waited
        too long, no memory, shutting down), or the error of the load.
        """
        self._require_accepting()
        if capability not in self._capabilities_of(spec):
            raise unsupported(spec, capability)
        model = self._model(spec)
        timeout = self._limits.queue_timeout if background is None else None
        ticket = model.admission.submit(caller, slots, timeout, background)
        self._requests += 1
        try:
            if model.admission.resident is None:
                self._start_loading(model)
            resident = await model.admission.wait(ticket)
            self._on_wait(spec.id, ticket.granted_at - ticket.requested_at)
            if not isinstance(resident.engine, capability):
                raise unsupported(spec, capability)
            yield resident.engine
        finally:
            self._release(model, ticket)

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """Room for so many bytes of something else than a model. It waits until no model in use
        has to be evicted for it. Raises Unavailable if there can never be so much.
        """
        self._require_accepting()
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
            await self._changed.wait()
        try:
            await asyncio.gather(*(self._evict(resident) for resident in plan.evicted))
            yield
        finally:
            self._evictions.reserved -= size
            self._notify()

    async def preload(self, spec: ModelSpec) -> None:
        """Load the model now, without a timeout. Raises the error of the load."""
        self._require_accepting()
        model = self._model(spec)
        if model.admission.resident is not None:
            return
        model.pending_preloads += 1
        try:
            task = self._start_loading(model)
            await asyncio.wait({task})
            error = _shutting_down() if task.cancelled() else task.result()
        finally:
            model.pending_preloads -= 1
            self._notify()
        if error is not None:
            raise error

    async def unload(self, model_id: str) -> bool:
        """Unload the model if it is loaded and idle, or loads for nobody.

        Returns whether it was.
        """
        model = self._models.get(model_id)
        if model is None:
            return False
        if model.load_task is not None and not model.has_demand:
            model.load_task.cancel()
            await asyncio.wait({model.load_task})
            return True
        resident = model.admission.resident
        if resident is None or not resident.idle:
            return False
        await asyncio.wait({self._evict(resident)})
        return True

    def occupancy(self, spec: ModelSpec) -> Occupancy:
        """The numbers for the rate-limit headers."""
        return self._model(spec).occupancy()

    def expected_memory(self, spec: ModelSpec) -> int:
        """Bytes that the model takes when it is loaded: as measured by its last load, or estimated
        by its files; 0 where neither is known. May read the disk.
        """
        model = self._models.get(spec.id)
        measured = None if model is None else model.measured_memory
        return self._estimate(spec) if measured is None else measured

    def slots(self, spec: ModelSpec) -> int:
        """The slots of a loaded model; 0 for one that is not loaded."""
        resident = self._model(spec).admission.resident
        return resident.slots if resident else 0

    def load_ages(self, spec: ModelSpec) -> tuple[float, float] | None:
        """How many seconds ago the load of a loaded model began and ended."""
        resident = self._model(spec).admission.resident
        if resident is None:
            return None
        now = self._clock()
        return now - resident.load_began_at, now - resident.loaded_at

    def snapshot(self) -> PoolStatus:
        """The state that metrics and health report."""
        now = self._clock()
        models = tuple(model.status(self._closing, now) for model in self._models.values())
        memory = sum(model.memory for model in models)
        return PoolStatus(models, memory, self._limits.memory_budget, self._accepting)

    def stop_accepting(self) -> None:
        """Refuse new leases from now on; waiting ones are still served."""
        self._accepting = False

    async def drain(self, timeout: float) -> bool:
        """Wait until no lease is held or waiting; False if that takes over `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while self._requests:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Refuse waiting requests, cancel the loads, close every engine, leased or not."""
        self.stop_accepting()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        for model in self._models.values():
            model.admission.refuse_all(_shutting_down())
            if model.load_task is not None:
                model.load_task.cancel()
        load_tasks = {
            model.load_task for model in self._models.values() if model.load_task is not None
        }
        if load_tasks:
            await asyncio.wait(load_tasks)
        for resident in self._evictions.residents():
            self._evict(resident)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _require_accepting(self) -> None:
        if not self._accepting:
            raise _shutting_down()

    def _model(self, spec: ModelSpec) -> ManagedModel:
        model = self._models.get(spec.id)
        if model is None:
            admission = Admission(spec.id, self._limits.max_queue, self._clock)
            model = self._models[spec.id] = ManagedModel(spec, admission)
        return model

    def _release(self, model: ManagedModel, ticket: Ticket) -> None:
        model.admission.release(ticket)
        self._requests -= 1
        self._notify()
        self._start_idle_timer()

    def _start_loading(self, model: ManagedModel) -> asyncio.Task[APIError | None]:
        if model.load_task is None:
            model.load_task = self._spawn(self._load_model(model))
        else:
            self._notify()  # it may wait for the background only
        return model.load_task

    async def _load_model(self, model: ManagedModel) -> APIError | None:
        """Load the model. Returns the error if that fails, after refusing all waiting requests."""
        error: APIError | None = None
        try:
            await self._load_when_it_fits(model)
        except APIError as failure:
            error = failure
        except asyncio.CancelledError:  # by close(), or by an engine that cancelled itself
            interrupted = EngineFailed(f"Loading the model `{model.spec.id}` was interrupted.")
            error = interrupted if self._accepting else _shutting_down()
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
                    plan = self._evictions.plan(need, for_clients=model.wanted_by_clients)
                    if plan.fits:
                        for resident in plan.evicted:
                            self._evict(resident)
                        while self._closing:
                            await asyncio.wait(self._closing.values())
                        began = self._clock()
                        self._install(model, await self._load_engine(model.spec), began)
                        return
                for_clients = model.wanted_by_clients
                paused = self._evictions.pause_background(need, paused, for_clients=for_clients)
                await self._wait_for_memory(model)
        finally:
            for admission in paused:
                admission.resume_background()

    async def _wait_for_memory(self, model: ManagedModel) -> None:
        """Until it may fit; only the background does not look at every change."""
        if model.wanted_by_clients:
            await self._changed.wait()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_BACKGROUND_SECONDS):
                while model.has_demand and not model.wanted_by_clients:
                    await self._changed.wait()

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
            self._evict(other)
        self._start_idle_timer()

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
            self._start_loading(model)

    def _evict(self, resident: Resident) -> asyncio.Task[None]:
        model = self._models[resident.model_id]
        model.evictions += 1
        # It may have grown beyond the budget in use; it must still be loadable.
        model.measured_memory = min(resident.measure(), self._limits.memory_budget)
        if model.watch_task is not None:
            model.watch_task.cancel()
            model.watch_task = None
        model.admission.detach()
        if model.has_demand and self._accepting:  # by the background
            self._start_loading(model)
        return self._close_engine(resident)

    def _close_engine(self, resident: Resident) -> asyncio.Task[None]:
        task = self._closing[resident] = self._spawn(self._finish_closing(resident))
        return task

    async def _finish_closing(self, resident: Resident) -> None:
        try:
            await resident.engine.close()
        except Exception:
            log.exception("closing %s failed", resident.model_id)
        finally:
            del self._closing[resident]
            self._notify()

    def _start_idle_timer(self) -> None:
        if self._idle_timer is None and self._limits.idle_timeout > 0 and self._accepting:
            loop = asyncio.get_running_loop()
            self._idle_timer = loop.call_later(self._limits.idle_timeout, self._evict_idle)

    def _evict_idle(self) -> None:
        """Evict models that were idle for too long, and set the timer for the next one."""
        self._idle_timer = None
        remaining = {
            resident: resident.last_used + self._limits.idle_timeout - self._clock()
            for resident in self._evictions.residents()
            if resident.idle
        }
        for resident in [resident for resident, seconds in remaining.items() if seconds <= 0]:
            del remaining[resident]
            self._evict(resident)
        if remaining:
            seconds = max(SHORTEST_TIMER, min(remaining.values()))
            self._idle_timer = asyncio.get_running_loop().call_later(seconds, self._evict_idle)

    def _notify(self) -> None:
        """Wake all tasks that wait for a change, to check their condition again."""
        self._changed.set()
        self._changed.clear()

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _shutting_down() -> Unavailable:
    return Unavailable("The server is shutting down.")
