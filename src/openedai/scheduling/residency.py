"""Which models are in memory, and which of them must leave to make room for another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openedai.contract.engine import Engine


@dataclass(eq=False)
class Resident:
    """One stay of a model in memory. `running` is how many of the engine's slots are taken.

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
        """Measure the memory again, in bytes."""
        try:
            self.memory = self.engine.memory()
        except Exception:  # it may be dying; its last size is the best guess until it is dropped
            return self.memory
        return self.memory


@dataclass(frozen=True)
class Departures:
    """The idle models to evict, and whether what is needed fits once they have left."""

    leaving: tuple[Resident, ...]
    fits: bool


def departures(residents: Iterable[Resident], need: int, budget: int) -> Departures:
    """Choose the least recently used idle models that must leave so that `need` more bytes fit."""
    residents = list(residents)
    excess = sum(resident.memory for resident in residents) + need - budget
    leaving = []
    for resident in sorted(residents, key=lambda resident: resident.last_used):
        if excess <= 0:
            break
        if resident.idle and resident.memory > 0:
            leaving.append(resident)
            excess -= resident.memory
    return Departures(tuple(leaving), fits=excess <= 0)
