"""What the pool knows of each model, and how it tells others."""

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


class Occupancy(NamedTuple):
    """How many requests a model takes at once, waiting ones included, and how many more now."""

    limit: int
    remaining: int


@dataclass(frozen=True)
class ModelStatus:
    """One model now, with its counts since the start.

    `memory` is in bytes; `running` counts slots taken, `waiting` requests; `refused` are those
    that found the queue full, `timeouts` those that waited too long. `unused` are the seconds
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
    unused: float = 0.0


@dataclass(frozen=True)
class PoolStatus:
    """Every model that was ever asked for; `memory` and `memory_budget` in bytes."""

    models: tuple[ModelStatus, ...]
    memory: int
    memory_budget: int
    accepting: bool


@dataclass(eq=False)
class ManagedModel:
    """A model that was asked for, loaded or not. `measured` is its memory when last loaded."""

    spec: ModelSpec
    admission: Admission
    loading: asyncio.Task[APIError | None] | None = None
    watch: asyncio.Task[None] | None = None
    preloads: int = 0
    measured: int | None = None
    loads: int = 0
    failed_loads: int = 0
    evictions: int = 0
    crashes: int = 0

    @property
    def wanted(self) -> bool:
        return self.admission.waiting > 0 or self.preloads > 0

    def occupancy(self) -> Occupancy:
        resident = self.admission.resident
        limit = self.admission.bound + (resident.slots if resident else 0)
        return Occupancy(limit, max(0, limit - self.admission.running - self.admission.waiting))

    def status(self, closing: Iterable[Resident], now: float) -> ModelStatus:
        """`closing` are the engines of any model that are not gone yet; `now` is the pool's."""
        resident = self.admission.resident
        leftover = [old.memory for old in closing if old.model_id == self.spec.id]
        state: State = "unloaded"
        if resident is not None:
            state = "ready"
        elif self.loading is not None:
            state = "loading"
        elif leftover:
            state = "closing"
        return ModelStatus(
            id=self.spec.id,
            state=state,
            memory=sum(leftover) + (resident.measure() if resident else 0),
            slots=resident.slots if resident else 0,
            running=self.admission.running,
            waiting=self.admission.waiting,
            refused=self.admission.refused,
            timeouts=self.admission.timeouts,
            loads=self.loads,
            failed_loads=self.failed_loads,
            evictions=self.evictions,
            crashes=self.crashes,
            unused=now - resident.last_used if resident and resident.idle else 0.0,
        )
