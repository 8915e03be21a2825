"""The loaded models, and leases of them: lookup, admission, loading and eviction in one step.

A lease waits in its model's queue (`admission`) until the engine is loaded and a slot is free.
Every model has at most one load task; the load tasks take turns, and those whose model does not
fit because leased models hold the memory wait outside of the turn, so that others may pass.
A load that nobody waits for any more is given up before it begins, but not once it has begun:
the model is then idle. Between two awaits nothing is half done, so a cancellation harms nobody.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from openedai.config import ModelSpec
from openedai.contract.engine import Directory, Embedder, Engine, Generator, Tokenizer
from openedai.errors import APIError, EngineFailed, Unavailable, Unsupported
from openedai.scheduling.admission import Admission, Ticket
from openedai.scheduling.residency import Resident, departures
from openedai.scheduling.state import ManagedModel, Occupancy, PoolStatus

E = TypeVar("E", bound=Engine)
T = TypeVar("T")
logger = logging.getLogger(__name__)

ABILITIES: dict[type[Engine], str] = {
    Generator: "text generation",
    Embedder: "embeddings",
    Tokenizer: "counting and showing its tokens",
    Directory: "a list of models",
}
SHORTEST_TIMER = 0.001


@dataclass(frozen=True)
class PoolLimits:
    """`memory_budget` in bytes, times in seconds; `idle_timeout` 0 keeps idle models."""

    memory_budget: int
    idle_timeout: float
    max_queue: int
    queue_timeout: float


def _unknown_size(spec: ModelSpec) -> int:
    return 0


def _ignore_wait(model_id: str, seconds: float) -> None:
    return


class ModelPool:
    """Models that load on first use and leave when others need the memory.

    `load` makes an engine and leaves nothing behind if it fails or is cancelled. `capability_of`
    gives its class without loading. `estimate` guesses the bytes of a model that was never
    loaded; `on_wait` hears the model's id and the seconds that each lease waited.
    """

    def __init__(
        self,
        load: Callable[[ModelSpec], Awaitable[Engine]],
        capability_of: Callable[[ModelSpec], type[Engine]],
        limits: PoolLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
        estimate: Callable[[ModelSpec], int] = _unknown_size,
        on_wait: Callable[[str, float], None] = _ignore_wait,
    ) -> None:
        self._load = load
        self._capability_of = capability_of
        self._limits = limits
        self._clock = clock
        self._estimate = estimate
        self._on_wait = on_wait
        self._accepting = True
        self._requests = 0
        self._models: dict[str, ManagedModel] = {}
        self._closing: dict[Resident, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def lease(
        self, spec: ModelSpec, capability: type[E], caller: str, weight: int = 1
    ) -> AsyncIterator[E]:
        """Hold `weight` slots (at most all) of the model's engine. Leaving never awaits.

        Raises Unsupported (wrong kind of model), RateLimited or Unavailable (queue full, waited
        too long, no memory, shutting down), or the error of the load.
        """
        self._check(spec, capability)
        model = self._model(spec)
        ticket = model.admission.enter(caller, weight, self._limits.queue_timeout)
        self._requests += 1
        try:
            if model.admission.resident is None:
                self._start_loading(model)
            resident = await model.admission.granted(ticket)
            self._on_wait(spec.id, ticket.granted_at - ticket.since)
            if not isinstance(resident.engine, capability):
                raise _unsupported(spec, capability)
            yield resident.engine
        finally:
            self._leave(model, ticket)

    async def preload(self, spec: ModelSpec) -> None:
        """Load the model now, however long that takes. Raises the error of the load."""
        self._check(spec, Engine)
        model = self._model(spec)
        if model.admission.resident is not None:
            return
        model.preloads += 1
        try:
            task = self._start_loading(model)
            await asyncio.wait({task})
            error = _shutting_down() if task.cancelled() else task.result()
        finally:
            model.preloads -= 1
            self._signal()
        if error is not None:
            raise error

    async def unload(self, model_id: str) -> bool:
        """Unload the model if it is loaded and idle, and say whether it was."""
        model = self._models.get(model_id)
        resident = model.admission.resident if model else None
        if resident is None or not resident.idle:
            return False
        await asyncio.wait({self._evict(resident)})
        return True

    def occupancy(self, spec: ModelSpec) -> Occupancy:
        """The numbers for the rate-limit headers."""
        return self._model(spec).occupancy()

    def snapshot(self) -> PoolStatus:
        """Everything that metrics and health want to know."""
        now = self._clock()
        models = tuple(model.status(self._closing, now) for model in self._models.values())
        memory = sum(model.memory for model in models)
        return PoolStatus(models, memory, self._limits.memory_budget, self._accepting)

    def stop_accepting(self) -> None:
        """Refuse new leases from now on; those that wait already are still served."""
        self._accepting = False

    async def drain(self, timeout: float) -> bool:
        """Wait until no lease is held or waited for; False if `timeout` seconds do not suffice."""
        try:
            async with asyncio.timeout(timeout):
                while self._requests:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Refuse who waits, end the loads, close every engine, leased or not."""
        self.stop_accepting()
        if self._timer is not None:
            self._timer.cancel()
        for model in self._models.values():
            model.admission.fail(_shutting_down())
            if model.loading is not None:
                model.loading.cancel()
        loading = {model.loading for model in self._models.values() if model.loading is not None}
        if loading:
            await asyncio.wait(loading)
        for resident in self._residents():
            self._evict(resident)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _check(self, spec: ModelSpec, capability: type[Engine]) -> None:
        if not self._accepting:
            raise _shutting_down()
        if not issubclass(self._capability_of(spec), capability):
            raise _unsupported(spec, capability)

    def _model(self, spec: ModelSpec) -> ManagedModel:
        model = self._models.get(spec.id)
        if model is None:
            admission = Admission(spec.id, self._limits.max_queue, self._clock)
            model = self._models[spec.id] = ManagedModel(spec, admission)
        return model

    def _leave(self, model: ManagedModel, ticket: Ticket) -> None:
        model.admission.leave(ticket)
        self._requests -= 1
        self._signal()
        self._arm_timer()

    def _start_loading(self, model: ManagedModel) -> asyncio.Task[APIError | None]:
        if model.loading is None:
            model.loading = self._spawn(self._bring_in(model))
        return model.loading

    async def _bring_in(self, model: ManagedModel) -> APIError | None:
        """Load the model, and give its error, if it fails, to everyone who waits."""
        error: APIError | None = None
        try:
            await self._load_in_turn(model)
        except APIError as failure:
            error = failure
        except asyncio.CancelledError:  # by close(), or by an engine that cancelled itself
            interrupted = EngineFailed(f"Loading the model `{model.spec.id}` was interrupted.")
            error = interrupted if self._accepting else _shutting_down()
        except Exception:
            logger.exception("loading %s failed", model.spec.id)
            error = EngineFailed(
                f"The model `{model.spec.id}` could not be loaded. The server's log has the cause."
            )
        model.loading = None
        if error is not None:
            model.failed_loads += 1
            model.admission.fail(error)
        return error

    async def _load_in_turn(self, model: ManagedModel) -> None:
        while model.wanted:
            async with self._turn:
                if not model.wanted:
                    return
                need = self._need(model)
                plan = departures(self._measured(), need, self._limits.memory_budget)
                if plan.fits:
                    for resident in plan.leaving:
                        self._evict(resident)
                    while self._closing:
                        await asyncio.wait(self._closing.values())
                    self._settle_in(model, await self._load(model.spec))
                    return
            await self._changed.wait()

    def _need(self, model: ManagedModel) -> int:
        need = self._estimate(model.spec) if model.measured is None else model.measured
        self._refuse_oversize(model, need)
        return need

    def _refuse_oversize(self, model: ManagedModel, need: int) -> None:
        if need > self._limits.memory_budget:
            raise Unavailable(
                f"The model `{model.spec.id}` needs {need / 2**20:,.0f} MiB of memory, more than "
                f"the {self._limits.memory_budget / 2**20:,.0f} MiB that models may take here."
            )

    def _settle_in(self, model: ManagedModel, engine: Engine) -> None:
        resident = Resident(model.spec.id, engine, max(1, engine.slots), self._clock())
        model.measured = resident.measure()
        try:
            self._refuse_oversize(model, resident.memory)
        except Unavailable:
            self._close_engine(resident)
            raise
        model.loads += 1
        model.watch = self._spawn(self._watch(model, resident))
        model.admission.open(resident)
        for other in departures(self._measured(), 0, self._limits.memory_budget).leaving:
            self._evict(other)
        self._arm_timer()

    async def _watch(self, model: ManagedModel, resident: Resident) -> None:
        """Drop the model when its engine dies, and load it again for those who wait."""
        try:
            await resident.engine.died()
        except Exception:
            logger.exception("watching %s failed; it counts as dead", model.spec.id)
        if model.admission.resident is not resident:
            return
        logger.warning("the engine of %s died", model.spec.id)
        model.crashes += 1
        model.watch = None
        model.admission.shut()
        self._close_engine(resident)
        if model.wanted:
            self._start_loading(model)

    def _evict(self, resident: Resident) -> asyncio.Task[None]:
        model = self._models[resident.model_id]
        model.evictions += 1
        # It may have grown past the budget in use; that must not keep it out for ever.
        model.measured = min(resident.measure(), self._limits.memory_budget)
        if model.watch is not None:
            model.watch.cancel()
            model.watch = None
        model.admission.shut()
        return self._close_engine(resident)

    def _close_engine(self, resident: Resident) -> asyncio.Task[None]:
        task = self._closing[resident] = self._spawn(self._finish_closing(resident))
        return task

    async def _finish_closing(self, resident: Resident) -> None:
        try:
            await resident.engine.close()
        except Exception:
            logger.exception("closing %s failed", resident.model_id)
        finally:
            del self._closing[resident]
            self._signal()

    def _arm_timer(self) -> None:
        if self._timer is None and self._limits.idle_timeout > 0 and self._accepting:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._limits.idle_timeout, self._evict_idle)

    def _evict_idle(self) -> None:
        """Evict what has been idle too long; come back when the next one will have been."""
        self._timer = None
        remaining = {
            resident: resident.last_used + self._limits.idle_timeout - self._clock()
            for resident in self._residents()
            if resident.idle
        }
        for resident in [resident for resident, seconds in remaining.items() if seconds <= 0]:
            del remaining[resident]
            self._evict(resident)
        if remaining:
            seconds = max(SHORTEST_TIMER, min(remaining.values()))
            self._timer = asyncio.get_running_loop().call_later(seconds, self._evict_idle)

    def _residents(self) -> list[Resident]:
        residents = (model.admission.resident for model in self._models.values())
        return [resident for resident in residents if resident is not None]

    def _measured(self) -> list[Resident]:
        residents = self._residents()
        for resident in residents:
            resident.measure()
        return residents

    def _signal(self) -> None:
        """Wake those who wait for memory or for the end; each looks again whether it is there."""
        self._changed.set()
        self._changed.clear()

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _unsupported(spec: ModelSpec, capability: type[Engine]) -> Unsupported:
    ability = ABILITIES.get(capability, capability.__name__)
    return Unsupported(
        f"The model `{spec.id}` does not support {ability}.",
        code="unsupported_model",
        param="model",
    )


def _shutting_down() -> Unavailable:
    return Unavailable("The server is shutting down.")
