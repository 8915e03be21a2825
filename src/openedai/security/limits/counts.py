"""Where counters are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from openedai.security.limits.counter import Charge
from openedai.security.limits.scopes import Cost, Measure, Refusal, Scope, Standing


class Counts(Protocol):
    async def admit(
        self, scopes: tuple[Scope, ...], cost: Cost, *, background: bool
    ) -> Charge | Refusal:
        """As `counter.admit`. If the task is cancelled, nothing stays counted."""

    def change(self, charge: Charge, differences: Mapping[Measure, int], *, hold: int = 0) -> None:
        """Correct a charge, and the running requests. Never awaits, and never fails."""

    def standing(self, scopes: Sequence[Scope]) -> Mapping[Measure, Standing]:
        """The state of the limits, as far as this server knows."""

    def now(self) -> int:
        """The counters' time, in milliseconds since 1970."""

    async def close(self) -> None:
        """Save what is counted."""
