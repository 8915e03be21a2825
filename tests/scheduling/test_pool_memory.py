"""What is loaded, what is evicted, and when."""

from __future__ import annotations

import asyncio

import pytest

from openedai.errors import Unavailable
from tests.scheduling.conftest import PoolHarness, let_tasks_run, now, run_virtually


def test_the_least_recently_used_idle_model_is_evicted() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=25)
        for model_id in "abac":
            async with harness.lease(model_id):
                await asyncio.sleep(1)
        assert harness.loaded() == ["a", "c"]
        assert harness.pool.snapshot().models[1].evictions == 1

    run_virtually(go)


def test_a_load_waits_for_the_memory_of_evicted_models() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=10)
        await harness.pool.preload(harness.spec("a"))
        harness.engines[0].may_close.clear()
        request = harness.hold("b")
        await let_tasks_run()
        assert harness.loads == {"a": 1}
        assert [m.state for m in harness.pool.snapshot().models] == ["closing", "loading"]
        assert harness.pool.snapshot().memory == 10
        harness.engines[0].may_close.set()
        await let_tasks_run()
        assert request.holding

    run_virtually(go)


def test_a_leased_model_is_not_evicted_and_the_load_waits() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=20)
        harness.sizes["big"] = 15
        held, idle = harness.hold("a"), harness.hold("b")
        await let_tasks_run()
        idle.finish()
        big = harness.hold("big")
        await let_tasks_run()
        assert harness.loaded() == ["a", "b"]
        async with harness.lease("b"):
            pass
        held.finish()
        await let_tasks_run()
        assert big.holding
        assert harness.loaded() == ["big"]

    run_virtually(go)


def test_models_that_fit_are_loaded_before_one_that_waits_for_memory() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=20)
        harness.sizes["big"] = 15
        harness.hold("a")
        await let_tasks_run()
        harness.hold("big")
        small = harness.hold("small")
        await let_tasks_run()
        assert small.holding

    run_virtually(go)


def test_a_load_that_never_fits_ends_in_a_timeout() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=10, queue_timeout=60)
        harness.hold("a")
        await let_tasks_run()
        with pytest.raises(Unavailable) as refusal:
            async with harness.lease("b"):
                pass
        assert now() == 60
        assert refusal.value.retry_after is not None
        assert harness.loads == {"a": 1}
        await let_tasks_run()
        assert harness.pool.snapshot().models[1].state == "unloaded"

    run_virtually(go)


def test_a_model_over_the_budget_is_refused_before_it_loads() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=100 << 20)
        harness.sizes["m"] = 300 << 20
        with pytest.raises(Unavailable, match=r"`m` needs 300 MiB.*100 MiB") as refusal:
            async with harness.lease("m"):
                pass
        assert refusal.value.retry_after is None
        assert not harness.loads

    run_virtually(go)


def test_a_model_measured_over_the_budget_is_closed_and_not_loaded_again() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=50)
        harness.sizes["m"], harness.estimates["m"] = 60, 1
        for _ in range(2):
            with pytest.raises(Unavailable):
                async with harness.lease("m"):
                    pass
        await let_tasks_run()
        assert harness.loads == {"m": 1}
        assert not harness.alive

    run_virtually(go)


def test_the_measured_memory_replaces_the_estimate() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=30)
        harness.sizes["m"], harness.estimates["m"] = 25, 1
        await harness.pool.preload(harness.spec("a"))
        await harness.pool.preload(harness.spec("m"))
        await let_tasks_run()
        assert harness.loaded() == ["m"], "over the budget after the load: the idle one is evicted"
        await harness.pool.preload(harness.spec("a"))
        held = harness.hold("a")
        await let_tasks_run()
        harness.hold("m")
        await let_tasks_run()
        assert harness.loads["m"] == 1, "does not fit with the leased one, as measured before"
        held.finish()
        await let_tasks_run()
        assert harness.loaded() == ["m"]

    run_virtually(go)


def test_growth_in_use_is_measured_and_does_not_block_a_later_load() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=40)
        for model_id in "ab":
            await harness.pool.preload(harness.spec(model_id))
        harness.engines[0].size = 45
        await harness.pool.preload(harness.spec("c"))
        assert harness.loaded() == ["b", "c"]
        async with harness.lease("a"):
            pass

    run_virtually(go)


def test_idle_models_are_evicted_after_the_timeout() -> None:
    async def go() -> None:
        harness = PoolHarness(idle_timeout=100)
        for model_id in "ab":
            await harness.pool.preload(harness.spec(model_id))
        held = harness.hold("b")
        await asyncio.sleep(99)
        assert harness.loaded() == ["a", "b"]
        await asyncio.sleep(2)
        assert harness.loaded() == ["b"]
        await asyncio.sleep(1000)
        held.finish()
        await asyncio.sleep(99)
        assert harness.loaded() == ["b"]
        await asyncio.sleep(2)
        assert harness.loaded() == []
        assert not harness.alive

    run_virtually(go)


def test_idle_seconds() -> None:
    async def go() -> None:
        harness = PoolHarness()

        def idle_seconds() -> list[float]:
            return [model.idle_seconds for model in harness.pool.snapshot().models]

        await harness.pool.preload(harness.spec("a"))
        await asyncio.sleep(7)
        assert idle_seconds() == [7]
        held = harness.hold("a")
        await asyncio.sleep(5)
        assert idle_seconds() == [0]
        held.finish()
        await asyncio.sleep(3)
        assert idle_seconds() == [3]
        await harness.pool.unload("a")
        assert idle_seconds() == [0]

    run_virtually(go)


def test_idle_models_stay_without_a_timeout() -> None:
    async def go() -> None:
        harness = PoolHarness(idle_timeout=0)
        await harness.pool.preload(harness.spec("a"))
        await asyncio.sleep(1e6)
        assert harness.loaded() == ["a"]

    run_virtually(go)


def test_the_memory_of_a_dead_engine_is_free_while_its_leases_end() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=10)
        failing = harness.hold("a")
        await let_tasks_run()
        request = harness.hold("b")
        await let_tasks_run()
        assert not request.holding
        harness.engines[0].death.set()
        await let_tasks_run()
        assert request.holding
        assert failing.holding

    run_virtually(go)


def test_unload_takes_only_idle_models() -> None:
    async def go() -> None:
        harness = PoolHarness()
        held = harness.hold("m")
        await let_tasks_run()
        assert not await harness.pool.unload("m")
        held.finish()
        await let_tasks_run()
        assert await harness.pool.unload("m")
        assert harness.engines[0].closed
        assert not await harness.pool.unload("m")
        assert not await harness.pool.unload("unknown")

    run_virtually(go)


def test_an_engine_that_fails_to_close_or_measure_does_not_affect_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def go() -> None:
        harness = PoolHarness(budget=10)
        await harness.pool.preload(harness.spec("a"))
        harness.engines[0].broken = True
        async with harness.lease("b"):
            assert harness.loaded() == ["b"]

    run_virtually(go)
    assert "closing a failed" in caplog.text


def test_memory_that_is_reserved_waits_for_models_in_use_and_evicts_idle_ones() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=20)
        held, idle = harness.hold("a"), harness.hold("b")
        await let_tasks_run()
        idle.finish()
        reserved, ended = asyncio.Event(), asyncio.Event()

        async def reserve() -> None:
            async with harness.pool.reserve(15):
                reserved.set()
                await ended.wait()

        task = asyncio.create_task(reserve())
        await let_tasks_run()
        assert not reserved.is_set()
        assert harness.loaded() == ["a", "b"]
        held.finish()
        await let_tasks_run()
        assert reserved.is_set()
        assert harness.loaded() == []
        waiting = harness.hold("a")
        await let_tasks_run()
        assert not waiting.holding
        ended.set()
        await task
        await let_tasks_run()
        assert waiting.holding
        with pytest.raises(Unavailable, match="more than"):
            async with harness.pool.reserve(21):
                pass

    run_virtually(go)


def test_a_reservation_that_is_cancelled_holds_nothing() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=10)
        held = harness.hold("a")
        await let_tasks_run()

        async def reserve() -> None:
            async with harness.pool.reserve(10):
                pass

        task = asyncio.create_task(reserve())
        await let_tasks_run()
        task.cancel()
        held.finish()
        await let_tasks_run()
        assert task.cancelled()
        async with harness.lease("a"):
            pass

    run_virtually(go)
