"""Models in memory, and which of them to evict for another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openedai.contract.engine import Engine


@dataclass(eq=False)
class Resident:
    """A loaded engine. `running` is how many of its slots are in use.

    `memory` is in bytes, as last measured; `last_used` is a time of the pool's clock.
    """

    model_id: str
    engine: Engine
    slots: int
    last_used: float
    memory: int = 0
    running: int = 0

    @property
    def idle(self) -> bool:
        return self.running == 0

    def measure(self) -> int:
        """Measure the memory again; bytes."""
        try:
            self.memory = self.engine.memory()
        except Exception:  # it may be dying: keep the last measurement
            return self.memory
        return self.memory


@dataclass(frozen=True)
class EvictionPlan:
    """The idle models to evict, and whether the needed memory is free after that."""

    evicted: tuple[Resident, ...]
    fits: bool


def plan_evictions(residents: Iterable[Resident], need: int, budget: int) -> EvictionPlan:
    """Choose the least recently used idle models to evict, until `need` more bytes fit."""
    residents = list(residents)
    excess = sum(resident.memory for resident in residents) + need - budget
    evicted = []
    for resident in sorted(residents, key=lambda resident: resident.last_used):
        if excess <= 0:
            break
        if resident.idle and resident.memory > 0:
            evicted.append(resident)
            excess -= resident.memory
    return EvictionPlan(tuple(evicted), fits=excess <= 0)
