from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from openedai.contract.engine import Engine
from openedai.scheduling.residency import Resident, departures


def resident(last_used: float, memory: int, running: int = 0) -> Resident:
    return Resident("m", Engine(), 1, last_used, memory, running)


def test_the_least_recently_used_leave_and_no_more_than_needed() -> None:
    new, old, older = resident(3, 30), resident(2, 30), resident(1, 30)
    plan = departures([new, old, older], need=50, budget=100)
    assert plan.fits
    assert plan.leaving == (older, old)


def test_nothing_leaves_where_it_fits() -> None:
    assert departures([resident(1, 50)], need=50, budget=100).leaving == ()


def test_what_takes_no_memory_stays() -> None:
    assert departures([resident(1, 0), resident(2, 60)], 50, 100).leaving[0].memory == 60


def test_a_leased_one_stays() -> None:
    plan = departures([resident(1, 60, running=1), resident(2, 30)], need=50, budget=100)
    assert not plan.fits
    assert [leaving.memory for leaving in plan.leaving] == [30]


residents = st.lists(
    st.builds(
        resident,
        st.floats(0, 100),
        st.integers(0, 50),
        st.integers(0, 1),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(residents, st.integers(0, 100), st.integers(1, 100))
def test_the_plan_says_truly_whether_it_fits(
    present: list[Resident], need: int, budget: int
) -> None:
    plan = departures(present, need, budget)
    assert all(leaving.idle for leaving in plan.leaving)
    staying = [one for one in present if one not in plan.leaving]
    assert plan.fits == (sum(one.memory for one in staying) + need <= budget)
    if not plan.fits:
        assert not [one for one in staying if one.idle and one.memory]
