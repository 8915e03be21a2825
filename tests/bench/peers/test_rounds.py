"""The order of starts and ends, what is counted, and peers that fail."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from math import log

import pytest

from bench.figures import SUBJECT
from bench.load.client import LoadError
from bench.peers.rounds import Outcome, Sample, figures, rounds
from bench.peers.systems import Server, System
from bench.scale import QUICK
from bench.scoring import UNSCORED, Scorer

TINY = replace(
    QUICK,
    rounds=3,
    streams=(1, 2),
    tokens=4,
    disturbed_streams=(2,),
    disturbed_tokens=4,
    prefix_words=20,
)


class FakeServer(Server):
    """Generates half of the requested tokens, and fails after some batches."""

    def __init__(self, name: str, batches: int) -> None:
        super().__init__(name, os.getpid())
        self._left = batches

    async def first_token(self, prompts: Sequence[str], tokens: int) -> float:
        await self._generate(prompts, tokens)
        return 0.5

    async def _generate(self, prompts: Sequence[str], tokens: int) -> tuple[int, int]:
        self._left -= 1
        if self._left < 0:
            raise LoadError(f"{self.name} is broken")
        return sum(len(prompt.split()) for prompt in prompts), (tokens + 1) // 2 * len(prompts)


class FixedScorer(Scorer):
    """Gives every token this probability."""

    def __init__(self, probability: float) -> None:
        self._probability = probability

    async def _logprobs(self, window: list[int]) -> list[float]:
        return [log(self._probability)] * (len(window) - UNSCORED)


class BrokenScorer(Scorer):
    async def _logprobs(self, window: list[int]) -> list[float]:
        raise LoadError("no logits")


class StartLog:
    """Logs when each system is started and ended."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def system(self, name: str, *, keep: bool = False, batches: int = 1000) -> System:
        @asynccontextmanager
        async def start() -> AsyncIterator[Server]:
            self.log.append(f"+{name}")
            try:
                yield FakeServer(name, batches)
            finally:
                self.log.append(f"-{name}")

        return System(name, start, keep)

    def measure(self, *systems: System, text: Sequence[Sequence[int]] = ()) -> Outcome:
        return asyncio.run(rounds(systems, TINY, self.log.append, text))


def scored(system: System, scorer: Scorer) -> System:
    @asynccontextmanager
    async def scoring() -> AsyncIterator[Scorer]:
        yield scorer

    return replace(system, scorer=scoring)


def test_systems_run_one_at_a_time_except_kept_ones() -> None:
    starts = StartLog()
    outcome = starts.measure(starts.system(SUBJECT), starts.system("slow", keep=True))
    ours = [f"+{SUBJECT}", f"-{SUBJECT}"]
    assert starts.log == [
        *(f"round 1: {SUBJECT}", *ours, "round 1: slow", "+slow"),
        *("round 2: slow", f"round 2: {SUBJECT}", *ours),
        *(f"round 3: {SUBJECT}", *ours, "round 3: slow", "-slow"),
    ]
    ready = next(figure for figure in outcome.figures if figure.case == "time to ready")
    assert len(set(ready.values["slow"])) == 1
    assert len(set(ready.values[SUBJECT])) == 3


def test_every_column_has_a_value_of_each_round() -> None:
    starts = StartLog()
    outcome = starts.measure(starts.system(SUBJECT), starts.system("peer"))
    decode = ["1 stream", "2 streams", "2 streams, disturbed", "first token, 2 streams"]
    cases = [*decode, "prefill", "time to ready", "memory", "perplexity"]
    assert [figure.case for figure in outcome.figures] == cases
    for figure in outcome.figures[:-1]:
        assert [len(values) for values in figure.values.values()] == [3, 3]
        assert all(value > 0 for values in figure.values.values() for value in values)
    assert "50% or more were given" in outcome.figures[0].note


def test_the_weights_of_each_system_are_scored_once() -> None:
    starts = StartLog()
    ours = scored(starts.system(SUBJECT), FixedScorer(1 / 20))
    outcome = starts.measure(
        ours,
        scored(starts.system("same"), FixedScorer(1 / 25)),
        scored(starts.system("broken"), BrokenScorer()),
        starts.system("mute"),
        text=[list(range(UNSCORED + 4)), list(range(UNSCORED + 1))],
    )
    figure = outcome.figures[-1]
    assert figure.values == {SUBJECT: [pytest.approx(20)], "same": [pytest.approx(25)]}
    assert "no perplexity of broken: no logits" in starts.log


@pytest.mark.parametrize("batches", [0, 1, 7, 10])
@pytest.mark.parametrize("keep", [False, True])
def test_a_failing_peer_is_skipped_and_ended(batches: int, keep: bool) -> None:
    starts = StartLog()
    broken = starts.system("broken", batches=batches, keep=keep)
    outcome = starts.measure(starts.system(SUBJECT), broken, starts.system("peer"))
    if batches < 7 or keep:
        assert outcome.skipped == {"broken": "failed: broken is broken"}
        assert outcome.figures[0].peers == ["peer"]
    assert starts.log.count("+broken") == starts.log.count("-broken")


def test_our_own_failure_ends_the_run() -> None:
    starts = StartLog()
    with pytest.raises(LoadError, match="openedai is broken"):
        starts.measure(starts.system("peer", keep=True), starts.system(SUBJECT, batches=0))
    assert starts.log[-2:] == [f"-{SUBJECT}", "-peer"]


def test_a_server_that_counts_no_tokens_is_a_failure() -> None:
    class Silent(Server):
        async def first_token(self, prompts: Sequence[str], tokens: int) -> float:
            return 0.5

        async def _generate(self, prompts: Sequence[str], tokens: int) -> tuple[int, int]:
            return 5, 0

    with pytest.raises(LoadError, match="silent counted no tokens"):
        asyncio.run(Silent("silent", os.getpid()).generate(["Hello"], 1))


def test_less_time_and_memory_are_better() -> None:
    ours = Sample({1: 10.0, 2: 30.0}, {2: 9.0}, 0.1, 100.0, 1.0, 50.0, 1.0)
    theirs = Sample({1: 5.0, 2: 60.0}, {2: 3.0}, 0.5, 200.0, 4.0, 500.0, 0.5)
    found = figures({SUBJECT: [ours], "peer": [theirs]}, {SUBJECT: 20.0, "peer": 25.0}, TINY)
    ratios = [figure.ratios("peer").median for figure in found]
    assert ratios == [2.0, 0.5, 3.0, 5.0, 0.5, 4.0, 10.0, 1.25]
