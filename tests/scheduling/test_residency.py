from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from openedai.contract.engine import Engine
from openedai.scheduling.residency import Resident, plan_evictions


def resident(last_used: float, memory: int, running: int = 0) -> Resident:
    return Resident("m", Engine(), 1, last_used, memory, running)


def test_the_least_recently_used_are_evicted_and_no_more_than_needed() -> None:
    new, old, older = resident(3, 30), resident(2, 30), resident(1, 30)
    plan = plan_evictions([new, old, older], need=50, budget=100)
    assert plan.fits
    assert plan.evicted == (older, old)


def test_nothing_is_evicted_if_the_model_fits() -> None:
    assert plan_evictions([resident(1, 50)], need=50, budget=100).evicted == ()


def test_models_without_memory_are_not_evicted() -> None:
    assert plan_evictions([resident(1, 0), resident(2, 60)], 50, 100).evicted[0].memory == 60


def test_a_leased_model_is_not_evicted() -> None:
    plan = plan_evictions([resident(1, 60, running=1), resident(2, 30)], need=50, budget=100)
    assert not plan.fits
    assert [leaving.memory for leaving in plan.evicted] == [30]


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
def test_the_plan_tells_whether_the_model_fits(
    present: list[Resident], need: int, budget: int
) -> None:
    plan = plan_evictions(present, need, budget)
    assert all(leaving.idle for leaving in plan.evicted)
    staying = [one for one in present if one not in plan.evicted]
    assert plan.fits == (sum(one.memory for one in staying) + need <= budget)
    if not plan.fits:
        assert not [one for one in staying if one.idle and one.memory]
