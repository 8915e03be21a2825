from __future__ import annotations

import asyncio
import logging

import pytest

from openedai.config import ModelSpec
from openedai.engines.base import Embedder, Generator
from openedai.errors import ContextLengthExceeded, EngineFailed, Unavailable, Unsupported
from openedai.scheduling.state import Occupancy
from tests.scheduling.conftest import World, now, run_virtually, settle


def test_two_callers_share_one_load() -> None:
    async def go() -> None:
        world = World(manual=True, slots=2)
        first, second = world.hold("m"), world.hold("m", "you")
        await settle()
        assert world.pool.snapshot().models[0].state == "loading"
        world.finish_load("m")
        await settle()
        assert first.engine is second.engine is world.engines[0]
        assert world.loads == {"m": 1}

    run_virtually(go)


def test_a_load_does_not_block_a_loaded_model_and_loads_take_turns() -> None:
    async def go() -> None:
        world = World(manual=True)
        await asyncio.gather(world.pool.preload(world.spec("a")), finish(world, "a"))
        slow, next_one = world.hold("b"), world.hold("c")
        await settle()
        async with world.lease("a"):
            assert list(world.pending) == ["b"]
        world.finish_load("b")
        await settle()
        assert slow.holding
        assert list(world.pending) == ["c"]
        world.finish_load("c")
        await settle()
        assert next_one.holding

    run_virtually(go)


async def finish(world: World, model_id: str) -> None:
    await settle()
    world.finish_load(model_id)


def test_a_load_that_everyone_left_goes_on_and_the_model_is_idle() -> None:
    async def go() -> None:
        world = World(manual=True)
        request = world.hold("m")
        await settle()
        request.task.cancel()
        await settle()
        world.finish_load("m")
        await settle()
        assert world.loaded() == ["m"]
        assert world.pool.snapshot().models[0].running == 0
        async with world.lease("m"):
            assert world.loads == {"m": 1}

    run_virtually(go)


def test_a_load_that_everyone_left_before_its_turn_never_begins() -> None:
    async def go() -> None:
        world = World(manual=True)
        world.hold("a")
        request = world.hold("b")
        await settle()
        request.task.cancel()
        await settle()
        world.finish_load("a")
        await settle()
        assert world.loads == {"a": 1}
        world.hold("b")
        await finish(world, "b")
        await settle()
        assert world.loaded() == ["a", "b"]

    run_virtually(go)


def test_a_failed_load_is_one_error_for_all_and_the_next_request_tries_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def go() -> None:
        world = World(manual=True)
        requests = [world.hold("m", caller) for caller in ("a", "b", "b")]
        await settle()
        world.finish_load("m", RuntimeError("secret cause"))
        await settle()
        errors = [request.error for request in requests]
        assert isinstance(errors[0], EngineFailed)
        assert "`m`" in errors[0].message
        assert "secret" not in errors[0].message
        assert all(error is errors[0] for error in errors)
        assert world.pool.snapshot().models[0].waiting == 0
        assert world.loads == {"m": 1}
        world.manual = False
        async with world.lease("m"):
            assert world.loads == {"m": 2}

    with caplog.at_level(logging.ERROR):
        run_virtually(go)
    assert "secret cause" in caplog.text


def test_an_api_error_of_a_load_is_passed_on_as_it_is() -> None:
    async def go() -> None:
        world = World(manual=True)
        error = ContextLengthExceeded(1, 2)
        request = world.hold("m")
        await settle()
        world.finish_load("m", error)
        await settle()
        assert request.error is error

    run_virtually(go)


def test_a_load_that_is_cancelled_from_inside_is_an_error_too() -> None:
    async def go() -> None:
        world = World(manual=True)
        request = world.hold("m")
        await settle()
        world.pending["m"].cancel()
        await settle()
        assert isinstance(request.error, EngineFailed)

    run_virtually(go)


def test_what_the_model_cannot_do_is_refused_without_loading() -> None:
    async def go() -> None:
        world = World()
        with pytest.raises(Unsupported) as refusal:
            async with world.pool.lease(world.spec("m"), Embedder, "me"):
                pass
        assert refusal.value.body()["error"] == {
            "message": "The model `m` does not support embeddings.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "unsupported_model",
        }
        with pytest.raises(Unsupported, match="text generation"):
            async with world.pool.lease(ModelSpec(id="m", engine="other"), Generator, "me"):
                pass
        assert not world.loads

    run_virtually(go)


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


def test_idle_models_stay_without_a_timeout() -> None:
    async def go() -> None:
        world = World(idle_timeout=0)
        await world.pool.preload(world.spec("a"))
        await asyncio.sleep(1e6)
        assert world.loaded() == ["a"]

    run_virtually(go)


def test_a_dead_engine_is_dropped_at_once_and_loaded_again_for_who_waits() -> None:
    async def go() -> None:
        world = World()
        first, second = world.hold("m"), world.hold("m")
        await settle()
        assert not second.holding
        dead = world.engines[0]
        dead.end.set()
        await settle()
        assert dead.closed
        assert second.engine is world.engines[1]
        assert world.pool.snapshot().models[0].crashes == 1
        first.finish()
        second.finish()
        await settle()
        assert world.pool.snapshot().models[0].running == 0

    run_virtually(go)


def test_a_dead_engine_nobody_waits_for_is_loaded_on_the_next_lease() -> None:
    async def go() -> None:
        world = World()
        await world.pool.preload(world.spec("m"))
        world.engines[0].end.set()
        await settle()
        assert world.loads == {"m": 1}
        assert not world.alive
        async with world.lease("m") as engine:
            assert engine is world.engines[1]

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


def test_preload_raises_the_error_of_the_load_and_outwaits_the_queue_timeout() -> None:
    async def go() -> None:
        world = World(manual=True, queue_timeout=5)
        preload = asyncio.create_task(world.pool.preload(world.spec("m")))
        await asyncio.sleep(100)
        world.finish_load("m", EngineFailed("no"))
        with pytest.raises(EngineFailed, match="no"):
            await preload

    run_virtually(go)


def test_the_shutdown() -> None:
    async def go() -> None:
        world = World()
        held, queued = world.hold("m"), world.hold("m")
        await settle()
        world.pool.stop_accepting()
        for refused in (world.pool.preload(world.spec("m")), enter(world, "m")):
            with pytest.raises(Unavailable, match="shutting down"):
                await refused
        assert not await world.pool.drain(10)
        draining = asyncio.create_task(world.pool.drain(10))
        held.finish()
        queued.finish()
        assert await draining
        assert queued.error is None
        await world.pool.close()
        await world.pool.close()
        assert not world.alive
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(go)


async def enter(world: World, model_id: str) -> None:
    async with world.lease(model_id):
        pass


def test_close_ends_loads_waiters_and_leased_engines() -> None:
    async def go() -> None:
        world = World(manual=True, idle_timeout=100)
        held, queued = world.hold("a"), world.hold("a")
        await settle()
        world.finish_load("a")
        await settle()
        loading = world.hold("b")
        preloading = asyncio.create_task(world.pool.preload(world.spec("c")))
        await settle()
        await world.pool.close()
        await settle()
        for error in (queued.error, loading.error, preloading.exception()):
            assert isinstance(error, Unavailable)
        assert not world.pending
        assert not world.alive
        held.finish()
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(go)


def test_occupancy_and_waits() -> None:
    async def go() -> None:
        world = World(max_queue=4, slots=2, manual=True)
        assert world.pool.occupancy(world.spec("m")) == Occupancy(4, 4)
        requests = [world.hold("m") for _ in range(3)]
        await asyncio.sleep(3)
        assert world.pool.occupancy(world.spec("m")) == Occupancy(4, 1)
        world.finish_load("m")
        await settle()
        assert world.pool.occupancy(world.spec("m")) == Occupancy(6, 3)
        await asyncio.sleep(4)
        requests[0].finish()
        await settle()
        assert world.waits == [("m", 3), ("m", 3), ("m", 7)]

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
