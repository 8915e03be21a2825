"""Which models give up their memory for another model, or for something else.

Background requests have the lowest priority. A model that clients wait for takes the memory of one
that only the background uses, and a model that only the background waits for does not displace
models that clients have just used. Models that only the background wants take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from openedai.scheduling.admission import Admission
from openedai.scheduling.residency import EvictionPlan, Resident, plan_evictions
from openedai.scheduling.state import ManagedModel

# A model that a client has used is not evicted for the background for this many seconds.
PATIENCE = 30.0
# A model that only the background uses keeps its memory for this many seconds if others wait.
TURN = 120.0


class Evictions:
    """`reserved` are bytes that are not for models."""

    def __init__(
        self, models: Mapping[str, ManagedModel], budget: int, clock: Callable[[], float]
    ) -> None:
        self.budget = budget
        self.reserved = 0
        self._models = models
        self._clock = clock

    def residents(self) -> list[Resident]:
        residents = (model.admission.resident for model in self._models.values())
        return [resident for resident in residents if resident is not None]

    def plan(self, need: int, *, for_clients: bool = True) -> EvictionPlan:
        """Which idle models to evict for `need` bytes."""
        return self._plan(need, lambda one: one.idle and (for_clients or self._is_free(one)))

    def pause_background(
        self, need: int, paused: set[Admission], *, for_clients: bool
    ) -> set[Admission]:
        """Have the background give up other models' memory, if that frees `need` bytes.

        `paused` are the models of the last call. Returns those that are paused now.
        """
        holders = self._holders(need, for_clients=for_clients)
        for admission in paused - holders:
            admission.resume_background()
        for admission in holders - paused:
            admission.pause_background()
        return holders

    def _holders(self, need: int, *, for_clients: bool) -> set[Admission]:
        plan = self._plan(need, lambda one: self._yields(one, for_clients=for_clients))
        leaving = [self._models[one.model_id].admission for one in plan.evicted if not one.idle]
        return set(leaving) if plan.fits else set()

    def _yields(self, resident: Resident, *, for_clients: bool) -> bool:
        if for_clients:
            return resident.idle or self._models[resident.model_id].admission.only_background
        if not self._is_free(resident):
            return False
        turn_is_over = resident.loaded_at <= self._clock() - TURN
        only_background = self._models[resident.model_id].admission.only_background
        return resident.idle or (only_background and turn_is_over)

    def _is_free(self, resident: Resident) -> bool:
        return resident.used_by_client_at <= self._clock() - PATIENCE

    def _plan(self, need: int, may_leave: Callable[[Resident], bool]) -> EvictionPlan:
        residents: Iterable[Resident] = self.residents()
        for resident in residents:
            resident.measure()
        return plan_evictions(residents, need, self.budget - self.reserved, may_leave)
