"""The section of responses: a very short run on the echo engine, and chains of turns."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bench.figures import SUBJECT
from bench.scale import QUICK
from bench.sections.chains import START, Turn, turn_costs, turn_figures
from bench.sections.responses import A_CHAT, NOT_STORED, echo_figures

TINY = replace(QUICK, rounds=1, responses=16, response_tokens=20, small_chat_streams=2, turns=3)


def test_a_short_run() -> None:
    """The processor time of so few requests may be too short for the clock of processes."""
    figures = asyncio.run(echo_figures(TINY, None))
    peers = [figure.peers for figure in figures]
    assert peers == [
        *[[NOT_STORED]] * 3,
        *[[A_CHAT]] * 2,
        *[["the whole input"]] * 2,
        *[[]] * 2,
    ]
    assert [figure.case for figure in figures[5:7]] == [
        f"turn {turn} of a chain, processor time of the server" for turn in (2, 3)
    ]
    retrieved = figures[-1]
    assert retrieved.values[SUBJECT][0] > 0
    assert retrieved.budget is not None


def test_a_later_turn_costs_more_only_for_its_prompt() -> None:
    first, last, growth = turn_costs({2: ([3.0, 4.0], [1.0, 1.0]), 50: ([9.0, 11.0], [7.0, 6.0])})
    assert first.verdict() is last.verdict() is None
    assert growth.values == {SUBJECT: [0.0, 2.0]}
    verdict = growth.verdict()
    assert verdict is not None
    assert (verdict.found, verdict.met) == (1.0, True)


def turns(*cached: int) -> list[Turn]:
    """Turns with prompts of 100, 200, 300 … tokens, each of which takes as many milliseconds."""
    return [Turn(100 * (n + 1), one, (n + 1) / 10) for n, one in enumerate(cached)]


@pytest.mark.parametrize(
    ("cached", "missed"),
    [((0, 100, 200, 300), 0), ((0, 95, 190, 270), 0), ((0, 100, 0, 300), 1), ((0, 0, 0, 0), 3)],
)
def test_turns_whose_prompt_was_computed_again(cached: tuple[int, ...], missed: int) -> None:
    found, computed, seconds = turn_figures(turns(*cached))
    assert found.values == {SUBJECT: [missed]}
    verdict = found.verdict()
    assert verdict is not None
    assert verdict.met == (missed == 0)
    assert computed.peers == seconds.peers == [START]


def test_the_start_and_the_end_of_a_chain() -> None:
    _, computed, seconds = turn_figures(turns(*[100 * n for n in range(50)]))
    assert computed.values == {SUBJECT: [100], START: [100]}
    assert seconds.values[SUBJECT] == [pytest.approx(4550)]
    assert seconds.values[START] == [pytest.approx(650)]
