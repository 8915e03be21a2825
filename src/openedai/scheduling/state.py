"""The state of each model in the pool, and snapshots of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from openedai.config import ModelSpec
from openedai.errors import APIError
from openedai.scheduling.admission import Admission
from openedai.scheduling.residency import Resident

State = Literal["unloaded", "loading", "ready", "closing"]


@dataclass(frozen=True)
class PoolLimits:
    """`memory_budget` in bytes, times in seconds; `idle_timeout` 0 keeps idle models."""

    memory_budget: int
    idle_timeout: float
    max_queue: int
    queue_timeout: float


class Occupancy(NamedTuple):
    """The number of requests that a model accepts, waiting ones included, and how many more it
    accepts now.
    """

    limit: int
    remaining: int


@dataclass(frozen=True)
class ModelStatus:
    """One model now, with its counts since the start.

    `memory` is in bytes; `running` counts slots in use, `waiting` requests; `refused` are those
    that met a full queue, `timeouts` those that waited too long. `idle_seconds` are the seconds
    since a loaded model was last used.
    """

    id: str
    state: State
    memory: int
    slots: int
    running: int
    waiting: int
    refused: int
    timeouts: int
    loads: int
    failed_loads: int
    evictions: int
    crashes: int
    idle_seconds: float = 0.0


@dataclass(frozen=True)
class PoolStatus:
    """Every model that was ever requested; `memory` and `memory_budget` in bytes."""

    models: tuple[ModelStatus, ...]
    memory: int
    memory_budget: int
    accepting: bool


@dataclass(eq=False)
class ManagedModel:
    """A requested model, loaded or not. `measured_memory` is in bytes, from its last load."""

    spec: ModelSpec
    admission: Admission
    load_task: asyncio.Task[APIError | None] | None = None
    watch_task: asyncio.Task[None] | None = None
    pending_preloads: int = 0
    measured_memory: int | None = None
    loads: int = 0
    failed_loads: int = 0
    evictions: int = 0
    crashes: int = 0

    @property
    def has_demand(self) -> bool:
        """Whether a request or a preload waits for it."""
        return self.admission.waiting > 0 or self.pending_preloads > 0

    @property
    def has_clients_waiting(self) -> bool:
        """Whether anything other than background requests waits for it."""
        return self.admission.clients_waiting > 0 or self.pending_preloads > 0

    def occupancy(self) -> Occupancy:
        resident = self.admission.resident
        limit = self.admission.max_waiting + (resident.slots if resident else 0)
        taken = self.admission.running + self.admission.clients_waiting
        return Occupancy(limit, max(0, limit - taken))

    def status(self, closing: Iterable[Resident], now: float) -> ModelStatus:
        """`closing` are engines of any model that are not closed yet; `now` is the pool's time."""
        resident = self.admission.resident
        closing_memory = [old.memory for old in closing if old.model_id == self.spec.id]
        state: State = "unloaded"
        if resident is not None:
            state = "ready"
        elif self.load_task is not None:
            state = "loading"
        elif closing_memory:
            state = "closing"
        return ModelStatus(
            id=self.spec.id,
            state=state,
            memory=sum(closing_memory) + (resident.measure() if resident else 0),
            slots=resident.slots if resident else 0,
            running=self.admission.running,
            waiting=self.admission.waiting,
            refused=self.admission.refused,
            timeouts=self.admission.timeouts,
            loads=self.loads,
            failed_loads=self.failed_loads,
            evictions=self.evictions,
            crashes=self.crashes,
            idle_seconds=now - resident.last_used if resident and resident.idle else 0.0,
        )
