"""The moving window: exact to the millisecond, never too generous, and small."""

from __future__ import annotations

from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from openedai.security.limits.window import SPAN, Window

LIMIT = 10
# Times between requests in milliseconds, and what each uses.
STEPS = st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, LIMIT)), max_size=60)


def test_what_is_used_leaves_after_a_minute_to_the_millisecond() -> None:
    window = Window()
    window.add(3, now=1_000)
    window.add(4, now=1_500)
    assert window.used(60_999) == 7
    assert window.used(61_000) == 4
    assert window.used(61_500) == 0


@given(STEPS)
def test_who_waits_as_long_as_told_is_let_in_and_not_before(steps: list[tuple[int, int]]) -> None:
    window, now = Window(), 0
    for pause, amount in steps:
        now += pause
        wait = window.wait(amount, LIMIT, now)
        assert (wait == 0) == (window.used(now) + amount <= LIMIT)
        if wait:
            assert window.wait(amount, LIMIT, now + wait - 1) == 1
            now += wait
            assert window.wait(amount, LIMIT, now) == 0
        window.add(amount, now)
        reset = window.reset(now)
        assert Window.used(_copy(window), now + reset) == 0
        assert Window.used(_copy(window), now + reset - 1) > 0


@given(STEPS)
def test_no_minute_ever_has_more_than_the_limit(steps: list[tuple[int, int]]) -> None:
    window, now, used = Window(), 0, list[tuple[int, int]]()
    for pause, amount in steps:
        now += pause
        if window.wait(amount, LIMIT, now) == 0:
            window.add(amount, now)
            used.append((now, amount))
    for end, _ in used:
        assert sum(amount for time, amount in used if end - SPAN < time <= end) <= LIMIT


def test_a_dense_window_stays_small_and_is_not_too_generous() -> None:
    window, limit = Window(), 5_000
    taken = list[int]()
    for now in range(0, 150_000, 7):
        if window.wait(1, limit, now) == 0:
            window.add(1, now)
            taken.append(now)
        assert len(window.moments) <= 300
    first = 0
    for last, time in enumerate(taken):
        while taken[first] <= time - SPAN:
            first += 1
        assert last - first + 1 <= limit
    assert len(taken) > 2 * limit  # and nearly as generous as it may be


@given(STEPS, st.integers(-LIMIT, LIMIT), st.integers(0, 2 * SPAN))
def test_a_correction_is_of_what_is_still_there(
    steps: list[tuple[int, int]], difference: int, later: int
) -> None:
    window, now = Window(), 0
    for pause, amount in steps:
        now += pause
        window.add(amount, now)
    window.add(5, at := now + 1)
    now = at + later
    before, gone = window.used(now), at + SPAN <= now
    window.change(at, difference, now)
    # What has left the window is not given back; what was used in excess is used now.
    expected = max(difference, 0) if gone else max(difference, -5)
    assert window.used(now) == before + expected
    assert window.total == sum(moment.amount for moment in window.moments)


def _copy(window: Window) -> Window:
    return deepcopy(window)
