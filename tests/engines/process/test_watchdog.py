"""What counts as a sign of life of a process that loads."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from openedai.engines.process.watchdog import LoadWatch, VitalSigns


def ticks_until_hung(signs: Iterable[VitalSigns | None], most: int = 200) -> int:
    """How many ticks, with these signs and then always the last one; `most` if it never is."""
    given = list(signs)
    watch = LoadWatch(60, lambda: given.pop(0) if len(given) > 1 else given[0])
    return next((tick for tick in range(1, most) if watch.hung()), most)


def test_a_process_that_does_nothing_is_hung_after_the_limit() -> None:
    assert 12 <= ticks_until_hung([VitalSigns(1.0, 5, 5)]) <= 14


@pytest.mark.parametrize(
    "grows",
    [
        lambda tick: VitalSigns(0.05 * tick, 0, 0),
        lambda tick: VitalSigns(0, tick, 0),
        lambda tick: VitalSigns(0, 0, tick),
    ],
    ids=["computes", "reads", "grows"],
)
def test_a_process_that_does_anything_is_waited_for(grows: type[VitalSigns]) -> None:
    assert ticks_until_hung(map(grows, range(1, 300))) == 200


@pytest.mark.parametrize(
    "idles",
    [
        lambda tick: VitalSigns(0.001 * tick, 0, 5),
        lambda tick: VitalSigns(1.0, 5, 1000 - tick),
        lambda tick: VitalSigns(1.0, 5, 1000 + tick % 2),
    ],
    ids=["timers only", "swapped out", "as it was"],
)
def test_little_is_nothing(idles: type[VitalSigns]) -> None:
    assert ticks_until_hung(map(idles, range(1, 300))) < 20


def test_one_that_cannot_be_measured_is_not_hung() -> None:
    assert ticks_until_hung([None]) == 200


def test_a_sign_of_life_starts_the_time_again() -> None:
    still = [VitalSigns(1.0, 5, 5)] * 10
    assert ticks_until_hung([*still, VitalSigns(1.0, 6, 5)]) > 20
