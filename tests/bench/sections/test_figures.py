"""What the sections make of the values that they measured."""

from __future__ import annotations

import pytest

from bench.figures import SUBJECT, Figure
from bench.sections import leaving, start, together
from bench.sections.long import Arrival, Prefix, arrival_figures, prefix_figures
from bench.sections.text import NATIVE


def met(figure: Figure) -> bool:
    verdict = figure.verdict()
    assert verdict is not None
    return verdict.met


def neighbours(busy: int, ours: float, one: float, two: float) -> Figure:
    values = {SUBJECT: [ours] * 3, together.ONE_THREAD: [one] * 3, "2 threads": [two] * 3}
    (figure,) = together.neighbour_figures({(busy, 4): values})
    return figure


@pytest.mark.parametrize(
    ("busy", "ours", "one", "two", "expected"),
    [
        (0, 96, 50, 100, False),
        (0, 97, 50, 100, True),
        (0, 97, 110, 100, False),
        (1, 40, 50, 100, True),
        (1, 39, 50, 1, False),
        (2, 41, 50, 100, True),
    ],
)
def test_the_yardstick_is_the_best_when_quiet_and_one_thread_beside_others(
    busy: int, ours: float, one: float, two: float, expected: bool
) -> None:
    figure = neighbours(busy, ours, one, two)
    assert met(figure) == expected
    where = {0: "quiet", 1: "beside 1 busy process", 2: "beside 2 busy processes"}
    assert figure.case == f"4 streams, {where[busy]}"


def test_shares_are_added_up_round_by_round() -> None:
    def part(case: str, ours: list[float], alone: list[float]) -> Figure:
        return Figure("together", case, "x", True, {SUBJECT: ours, together.ALONE: alone})

    *parts, total = together.share_figures(
        part("chat", [40.0, 30.0], [80.0, 60.0]), part("texts", [2.0, 9.0], [10.0, 10.0])
    )
    assert [figure.case for figure in parts] == ["chat", "texts"]
    assert total.values == {SUBJECT: pytest.approx([0.7, 1.4])}
    verdict = total.verdict()
    assert verdict is not None
    assert verdict.found == pytest.approx(1.05)
    assert verdict.met


def test_a_later_first_answer_misses_the_bound() -> None:
    ours, theirs = start.Sample(2.0, 1.0, 90.0), start.Sample(1.0, 1.5, 80.0)
    first, processor, memory = start.figures({SUBJECT: [ours] * 2, NATIVE: [theirs] * 2})
    assert (first.ratios(NATIVE).median, met(first)) == (0.5, False)
    assert processor.ratios(NATIVE).median == 1.5
    assert processor.verdict() is memory.verdict() is None


def test_clients_leave_throughout_a_prefill_but_not_at_its_end() -> None:
    assert leaving.moments(9.0, 2) == [1.5, 4.5]


@pytest.mark.parametrize(
    ("decoding", "prefill", "expected"),
    [(0.19, 0.39, [True, True]), (0.21, 0.41, [False, False]), (0.05, 0.39, [True, True])],
)
def test_the_worst_of_those_who_left_decides(
    decoding: float, prefill: float, expected: list[bool]
) -> None:
    found = leaving.figures(0.1, [0.1, decoding], [0.1, prefill])
    assert [met(figure) for figure in found] == expected
    assert min(value for figure in found for value in figure.values[SUBJECT]) == 0


def test_long_prompts() -> None:
    ours, theirs = Arrival(250, 20, 10, 4000), Arrival(900, 20, 9, 4000)
    gap, first = arrival_figures({SUBJECT: [ours] * 3, NATIVE: [theirs] * 3})
    assert met(gap)
    assert "4000 tokens" in gap.note
    assert gap.ratios(NATIVE).median == 3.6
    assert first.ratios(NATIVE).median == 0.9


@pytest.mark.parametrize(("cached", "expected"), [(1990, True), (1000, False), (0, False)])
def test_reused_prefixes(cached: int, expected: bool) -> None:
    found = {SUBJECT: [Prefix(5.0, 0.5, cached, 2000)]}
    first, second, computed = prefix_figures(found)
    assert (first.values[SUBJECT], second.values[SUBJECT]) == ([5.0], [0.5])
    assert met(computed) == expected
