"""Leases of loaded models: lookup, admission, loading and eviction in one step.

A lease waits in its model's queue (`admission`) until the engine is loaded (`loads`) and a slot is
free. The state is consistent at every await, so a cancellation has no effect on others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from openedai.config import ModelSpec
from openedai.contract.engine import Engine
from openedai.http.exchange import Background
from openedai.scheduling.admission import Admission, Ticket
from openedai.scheduling.capabilities import unsupported
from openedai.scheduling.loads import Loads, shutting_down
from openedai.scheduling.state import ManagedModel, Occupancy, PoolLimits, PoolStatus

E = TypeVar("E", bound=Engine)


class ModelPool:
    """Models that are loaded on first use and evicted when others need the memory.

    `load` makes an engine, and leaves nothing behind if it fails or is cancelled. `capabilities_of`
    returns the classes that the engine of a model inherits, without loading it. `estimate` returns
    the expected bytes of a model that was never loaded. `on_wait` is called with the model's id and
    the seconds that each lease waited.
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
        self._capabilities_of = capabilities_of
        self._limits = limits
        self._clock = clock
        self._on_wait = on_wait
        self._requests = 0
        self._models: dict[str, ManagedModel] = {}
        self._loads = Loads(load, self._models, limits, clock, estimate)

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

        A background request waits after all others, as long as it takes.

        Raises Unsupported (wrong kind of model), RateLimited or Unavailable (queue full, waited
        too long, no memory, shutting down), or the error of the load.
        """
        self._loads.require_accepting()
        if capability not in self._capabilities_of(spec):
            raise unsupported(spec, capability)
        model = self._model(spec)
        timeout = self._limits.queue_timeout if background is None else None
        ticket = model.admission.submit(caller, slots, timeout, background)
        self._requests += 1
        try:
            if model.admission.resident is None:
                self._loads.start(model)
            resident = await model.admission.wait(ticket)
            self._on_wait(spec.id, ticket.granted_at - ticket.requested_at)
            if not isinstance(resident.engine, capability):
                raise unsupported(spec, capability)
            yield resident.engine
        finally:
            self._release(model, ticket)

    def reserve(self, size: int) -> AbstractAsyncContextManager[None]:
        """Reserve this many bytes for something other than a model. Waits until no model in use has
        to be evicted for it. Raises Unavailable if there can never be enough room.
        """
        return self._loads.reserve(size)

    async def preload(self, spec: ModelSpec) -> None:
        """Load the model now, without a timeout. Raises the error of the load."""
        self._loads.require_accepting()
        model = self._model(spec)
        if model.admission.resident is not None:
            return
        model.pending_preloads += 1
        try:
            task = self._loads.start(model)
            await asyncio.wait({task})
            error = shutting_down() if task.cancelled() else task.result()
        finally:
            model.pending_preloads -= 1
            self._loads.notify()
        if error is not None:
            raise error

    async def unload(self, model_id: str) -> bool:
        """Unload the model if it is idle, or being loaded for nobody.

        Returns whether it was unloaded.
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
        await asyncio.wait({self._loads.evict(resident)})
        return True

    def occupancy(self, spec: ModelSpec) -> Occupancy:
        """The numbers for the rate-limit headers."""
        return self._model(spec).occupancy()

    def expected_memory(self, spec: ModelSpec) -> int:
        """The bytes that the model takes when it is loaded: measured by its last load, or estimated
        from its files; 0 if neither is known. May read the disk.
        """
        return self._loads.expected_memory(spec)

    def slots(self, spec: ModelSpec) -> int:
        """The slots of a loaded model; 0 for one that is not loaded."""
        resident = self._model(spec).admission.resident
        return resident.slots if resident else 0

    def load_ages(self, spec: ModelSpec) -> tuple[float, float] | None:
        """How many seconds ago the load of a loaded model began, and ended."""
        resident = self._model(spec).admission.resident
        if resident is None:
            return None
        now = self._clock()
        return now - resident.load_began_at, now - resident.loaded_at

    def snapshot(self) -> PoolStatus:
        """The state that metrics and health report."""
        now = self._clock()
        models = tuple(model.status(self._loads.closing, now) for model in self._models.values())
        memory = sum(model.memory for model in models)
        return PoolStatus(models, memory, self._limits.memory_budget, self._loads.accepting)

    def stop_accepting(self) -> None:
        """Refuse new leases from now on; waiting ones are still served."""
        self._loads.accepting = False

    async def drain(self, timeout: float) -> bool:
        """Wait until no lease is held or waiting. Returns False if that takes more than `timeout`
        seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                while self._requests:
                    await self._loads.wait_for_change()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Refuse waiting requests, cancel the loads, and close every engine, leased or not."""
        self.stop_accepting()
        for model in self._models.values():
            model.admission.refuse_all(shutting_down())
        await self._loads.close()

    def _model(self, spec: ModelSpec) -> ManagedModel:
        model = self._models.get(spec.id)
        if model is None:
            admission = Admission(spec.id, self._limits.max_queue, self._clock)
            model = self._models[spec.id] = ManagedModel(spec, admission)
        return model

    def _release(self, model: ManagedModel, ticket: Ticket) -> None:
        model.admission.release(ticket)
        self._requests -= 1
        self._loads.notify()
        self._loads.start_idle_timer()
