"""Models in memory, and which of them to evict for another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from openedai.contract.engine import Engine


@dataclass(eq=False)
class Resident:
    """A loaded engine. `running` is how many of its slots are in use.

    `memory` is in bytes, as last measured. Times are those of the pool's clock; `used_by_client_at`
    is when a request that is not in the background last began or ended.
    """

    model_id: str
    engine: Engine
    slots: int
    last_used: float
    memory: int = 0
    running: int = 0
    load_began_at: float = -math.inf
    loaded_at: float = -math.inf
    used_by_client_at: float = -math.inf

    @property
    def idle(self) -> bool:
        return self.running == 0

    def measure(self) -> int:
        """Measure the memory again. Returns it in bytes."""
        try:
            self.memory = self.engine.memory()
        except Exception:  # it may be dying: keep the last measurement
            return self.memory
        return self.memory


@dataclass(frozen=True)
class EvictionPlan:
    """The models to evict, and whether the needed memory is free after that."""

    evicted: tuple[Resident, ...]
    fits: bool


def _is_idle(resident: Resident) -> bool:
    return resident.idle


def plan_evictions(
    residents: Iterable[Resident],
    need: int,
    budget: int,
    may_leave: Callable[[Resident], bool] = _is_idle,
) -> EvictionPlan:
    """Choose models to evict, until `need` more bytes fit: idle ones first, the least recently used
    of them first.
    """
    residents = list(residents)
    excess = sum(resident.memory for resident in residents) + need - budget
    evicted = []
    for resident in sorted(residents, key=lambda one: (not one.idle, one.last_used)):
        if excess <= 0:
            break
        if resident.memory > 0 and may_leave(resident):
            evicted.append(resident)
            excess -= resident.memory
    return EvictionPlan(tuple(evicted), fits=excess <= 0)
