"""Ratios, budgets and the order of the runs."""

from __future__ import annotations

import asyncio

import pytest

from bench.figures import SUBJECT, Budget, Figure, Spread, Verdict, alternate


def figure(higher: bool = True, budget: Budget | None = None) -> Figure:
    values = {SUBJECT: [8.0, 40.0, 10.0], "peer": [4.0, 10.0, 10.0]}
    return Figure("section", "case", "unit", higher, values, budget)


def test_ratios_are_taken_round_by_round() -> None:
    assert figure().ratios("peer") == Spread(1.0, 2.0, 4.0)


def test_ratios_of_what_should_be_small_are_turned_round() -> None:
    assert figure(higher=False).ratios("peer") == Spread(0.25, 0.5, 1.0)


@pytest.mark.parametrize(
    ("budget", "verdict"),
    [
        (Budget(10, "at least"), Verdict(10.0, True)),
        (Budget(10.1, "at least"), Verdict(10.0, False)),
        (Budget(10, "at least", worst=True), Verdict(8.0, False)),
        (Budget(29, "at most", worst=True), Verdict(40.0, False)),
        (Budget(29, "at most"), Verdict(10.0, True)),
        (Budget(2, "at least", of="ratio", peer="peer"), Verdict(2.0, True)),
        (Budget(2, "at least", of="ratio", peer="peer", worst=True), Verdict(1.0, False)),
        (Budget(0, "at most", of="difference", peer="peer"), Verdict(0.0, True)),
        (Budget(-1, "at most", of="difference", peer="peer"), Verdict(0.0, False)),
    ],
)
def test_verdict(budget: Budget, verdict: Verdict) -> None:
    assert figure(budget=budget).verdict() == verdict


def test_no_verdict_without_the_peer() -> None:
    assert figure(budget=Budget(2, "at least", of="ratio", peer="absent")).verdict() is None


def test_systems_run_in_turn_and_back() -> None:
    order: list[str] = []

    async def run(name: str, number: int) -> str:
        order.append(f"{name}{number}")
        return order[-1]

    async def go() -> dict[str, list[str]]:
        return await alternate({"a": lambda n: run("a", n), "b": lambda n: run("b", n)}, 3)

    assert asyncio.run(go()) == {"a": ["a0", "a1", "a2"], "b": ["b0", "b1", "b2"]}
    assert order == ["a0", "b0", "b1", "a1", "a2", "b2"]


def test_no_round_begins_after_the_time_is_up() -> None:
    async def run(number: int) -> int:
        return number

    runs = {"a": run, "b": run}
    assert asyncio.run(alternate(runs, 5, seconds=-1)) == {"a": [0], "b": [0]}
    assert asyncio.run(alternate(runs, 2, seconds=60)) == {"a": [0, 1], "b": [0, 1]}
