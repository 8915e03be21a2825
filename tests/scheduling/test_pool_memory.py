"""What is loaded, what leaves, and when."""

from __future__ import annotations

import asyncio

import pytest

from openedai.errors import Unavailable
from tests.scheduling.conftest import World, now, run_virtually, settle


def test_the_least_recently_used_idle_model_leaves() -> None:
    async def go() -> None:
        world = World(budget=25)
        for model_id in "abac":
            async with world.lease(model_id):
                await asyncio.sleep(1)
        assert world.loaded() == ["a", "c"]
        assert world.pool.snapshot().models[1].evictions == 1

    run_virtually(go)


def test_a_load_waits_for_the_memory_of_what_it_evicts() -> None:
    async def go() -> None:
        world = World(budget=10)
        await world.pool.preload(world.spec("a"))
        world.engines[0].gate.clear()
        request = world.hold("b")
        await settle()
        assert world.loads == {"a": 1}
        assert [m.state for m in world.pool.snapshot().models] == ["closing", "loading"]
        assert world.pool.snapshot().memory == 10
        world.engines[0].gate.set()
        await settle()
        assert request.holding

    run_virtually(go)


def test_a_leased_model_stays_and_the_load_waits_for_its_release() -> None:
    async def go() -> None:
        world = World(budget=20)
        world.sizes["big"] = 15
        held, idle = world.hold("a"), world.hold("b")
        await settle()
        idle.finish()
        big = world.hold("big")
        await settle()
        assert world.loaded() == ["a", "b"]
        async with world.lease("b"):
            pass
        held.finish()
        await settle()
        assert big.holding
        assert world.loaded() == ["big"]

    run_virtually(go)


def test_others_that_fit_pass_a_load_that_waits_for_memory() -> None:
    async def go() -> None:
        world = World(budget=20)
        world.sizes["big"] = 15
        world.hold("a")
        await settle()
        world.hold("big")
        small = world.hold("small")
        await settle()
        assert small.holding

    run_virtually(go)


def test_memory_that_is_never_released_is_unavailable_in_time() -> None:
    async def go() -> None:
        world = World(budget=10, queue_timeout=60)
        world.hold("a")
        await settle()
        with pytest.raises(Unavailable) as refusal:
            async with world.lease("b"):
                pass
        assert now() == 60
        assert refusal.value.retry_after is not None
        assert world.loads == {"a": 1}
        await settle()
        assert world.pool.snapshot().models[1].state == "unloaded"

    run_virtually(go)


def test_a_model_over_the_budget_is_refused_before_it_loads() -> None:
    async def go() -> None:
        world = World(budget=100 << 20)
        world.sizes["m"] = 300 << 20
        with pytest.raises(Unavailable, match=r"`m` needs 300 MiB.*100 MiB") as refusal:
            async with world.lease("m"):
                pass
        assert refusal.value.retry_after is None
        assert not world.loads

    run_virtually(go)


def test_a_model_that_turns_out_over_the_budget_is_closed_and_remembered() -> None:
    async def go() -> None:
        world = World(budget=50)
        world.sizes["m"], world.estimates["m"] = 60, 1
        for _ in range(2):
            with pytest.raises(Unavailable):
                async with world.lease("m"):
                    pass
        await settle()
        assert world.loads == {"m": 1}
        assert not world.alive

    run_virtually(go)


def test_what_was_measured_counts_not_what_was_estimated() -> None:
    async def go() -> None:
        world = World(budget=30)
        world.sizes["m"], world.estimates["m"] = 25, 1
        await world.pool.preload(world.spec("a"))
        await world.pool.preload(world.spec("m"))
        await settle()
        assert world.loaded() == ["m"], "over the budget after the load: the idle one leaves"
        await world.pool.preload(world.spec("a"))
        held = world.hold("a")
        await settle()
        world.hold("m")
        await settle()
        assert world.loads["m"] == 1, "does not fit beside the leased one, as was seen before"
        held.finish()
        await settle()
        assert world.loaded() == ["m"]

    run_virtually(go)


def test_growth_in_use_is_seen_and_does_not_keep_a_model_out() -> None:
    async def go() -> None:
        world = World(budget=40)
        for model_id in "ab":
            await world.pool.preload(world.spec(model_id))
        world.engines[0].size = 45
        await world.pool.preload(world.spec("c"))
        assert world.loaded() == ["b", "c"]
        async with world.lease("a"):
            pass

    run_virtually(go)


def test_idle_models_leave_in_time_and_used_ones_stay() -> None:
    async def go() -> None:
        world = World(idle_timeout=100)
        for model_id in "ab":
            await world.pool.preload(world.spec(model_id))
        held = world.hold("b")
        await asyncio.sleep(99)
        assert world.loaded() == ["a", "b"]
        await asyncio.sleep(2)
        assert world.loaded() == ["b"]
        await asyncio.sleep(1000)
        held.finish()
        await asyncio.sleep(99)
        assert world.loaded() == ["b"]
        await asyncio.sleep(2)
        assert world.loaded() == []
        assert not world.alive

    run_virtually(go)


def test_how_long_a_model_was_unused() -> None:
    async def go() -> None:
        world = World()

        def unused() -> list[float]:
            return [model.unused for model in world.pool.snapshot().models]

        await world.pool.preload(world.spec("a"))
        await asyncio.sleep(7)
        assert unused() == [7]
        held = world.hold("a")
        await asyncio.sleep(5)
        assert unused() == [0]
        held.finish()
        await asyncio.sleep(3)
        assert unused() == [3]
        await world.pool.unload("a")
        assert unused() == [0]

    run_virtually(go)


def test_idle_models_stay_without_a_timeout() -> None:
    async def go() -> None:
        world = World(idle_timeout=0)
        await world.pool.preload(world.spec("a"))
        await asyncio.sleep(1e6)
        assert world.loaded() == ["a"]

    run_virtually(go)


def test_the_memory_of_a_dead_engine_is_free_while_its_leases_end() -> None:
    async def go() -> None:
        world = World(budget=10)
        failing = world.hold("a")
        await settle()
        request = world.hold("b")
        await settle()
        assert not request.holding
        world.engines[0].end.set()
        await settle()
        assert request.holding
        assert failing.holding

    run_virtually(go)


def test_unload_takes_only_idle_models() -> None:
    async def go() -> None:
        world = World()
        held = world.hold("m")
        await settle()
        assert not await world.pool.unload("m")
        held.finish()
        await settle()
        assert await world.pool.unload("m")
        assert world.engines[0].closed
        assert not await world.pool.unload("m")
        assert not await world.pool.unload("unknown")

    run_virtually(go)


def test_an_engine_that_fails_to_close_or_measure_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def go() -> None:
        world = World(budget=10)
        await world.pool.preload(world.spec("a"))
        world.engines[0].broken = True
        async with world.lease("b"):
            assert world.loaded() == ["b"]

    run_virtually(go)
    assert "closing a failed" in caplog.text
