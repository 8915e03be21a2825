"""Measured values by round and system, ratios between systems, and budgets."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal, TypeVar

SUBJECT = "openedai"

T = TypeVar("T")


@dataclass(frozen=True)
class Spread:
    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True)
class Budget:
    """A bound of the median, or of the worst value with `worst`.

    `of` is what it bounds: our own values, their ratio to the values of `peer`, or the
    difference of the two medians.
    """

    bound: float
    sense: Literal["at least", "at most"]
    of: Literal["value", "ratio", "difference"] = "value"
    peer: str = ""
    worst: bool = False


@dataclass(frozen=True)
class Verdict:
    found: float
    met: bool


@dataclass(frozen=True)
class Figure:
    """One quantity. `values` has one list for each system, with one entry for each round.

    `higher` says whether more is better. Ratios are always such that more is better for us.
    """

    section: str
    case: str
    unit: str
    higher: bool
    values: dict[str, list[float]]
    budget: Budget | None = None
    note: str = ""
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def peers(self) -> list[str]:
        return [name for name in self.values if name != SUBJECT]

    def spread(self, system: str) -> Spread:
        return Spread.of(self.values[system])

    def ratios(self, peer: str) -> Spread:
        """The ratios of ours to the peer's, round by round, because what disturbs a round disturbs
        both.
        """
        pairs = zip(self.values[SUBJECT], self.values[peer], strict=True)
        if self.higher:
            return Spread.of([ours / theirs for ours, theirs in pairs])
        return Spread.of([theirs / ours for ours, theirs in pairs])

    def verdict(self) -> Verdict | None:
        """Whether the budget is met; None without a budget, or without the peer it names."""
        budget = self.budget
        if budget is None or (budget.peer and budget.peer not in self.values):
            return None
        spread = self.ratios(budget.peer) if budget.of == "ratio" else self.spread(SUBJECT)
        found = spread.median
        if budget.worst:
            found = spread.high if budget.sense == "at most" else spread.low
        if budget.of == "difference":
            found -= self.spread(budget.peer).median
        met = found >= budget.bound if budget.sense == "at least" else found <= budget.bound
        return Verdict(found, met)


async def alternate(
    runs: Mapping[str, Callable[[int], Awaitable[T]]], rounds: int, seconds: float = math.inf
) -> dict[str, list[T]]:
    """Run every system once per round, in alternating order (A B, B A, …).

    Each run gets the number of its round. After `seconds` no further round begins.
    """
    started = time.monotonic()
    results: dict[str, list[T]] = {name: [] for name in runs}
    for number in range(rounds):
        if number and time.monotonic() - started > seconds:
            break
        names = list(runs) if number % 2 == 0 else list(runs)[::-1]
        for name in names:
            results[name].append(await runs[name](number))
    return results
