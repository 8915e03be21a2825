from __future__ import annotations

import asyncio
import logging

import pytest

from openedai.config import ModelSpec
from openedai.contract.engine import Embedder, Generator
from openedai.errors import ContextLengthExceeded, EngineFailed, Unavailable, Unsupported
from openedai.scheduling.state import Occupancy
from tests.scheduling.conftest import World, run_virtually, settle, timers


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
        error = refusal.value
        assert error.message == "The model `m` does not support embeddings."
        assert (error.param, error.code) == ("model", "unsupported_model")
        with pytest.raises(Unsupported, match="text generation"):
            async with world.pool.lease(ModelSpec(id="m", engine="other"), Generator, "me"):
                pass
        assert not world.loads

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


def test_a_dead_engine_gets_no_more_requests_before_it_is_dropped() -> None:
    """Between its death and the pool's hearing of it, a request may come."""

    async def go() -> None:
        world = World()
        await world.pool.preload(world.spec("m"))
        await settle()
        world.engines[0].end.set()
        async with world.lease("m") as engine:
            assert engine is world.engines[1]

    run_virtually(go)


def test_an_engine_that_leaves_has_not_died() -> None:
    async def go() -> None:
        world = World()
        await world.pool.preload(world.spec("m"))
        await settle()
        world.engines[0].stubborn = True
        assert await world.pool.unload("m")
        async with world.lease("m"):
            await settle()
            assert world.loaded() == ["m"]
        assert world.pool.snapshot().models[0].crashes == 0

    run_virtually(go)


def test_leaving_a_lease_never_awaits() -> None:
    async def go() -> None:
        world = World()
        lease = world.lease("m")
        await lease.__aenter__()
        with pytest.raises(StopIteration):
            lease.__aexit__(None, None, None).__await__().__next__()
        assert world.pool.snapshot().models[0].running == 0

    run_virtually(go)


def test_preload_of_a_loaded_model_does_nothing() -> None:
    async def go() -> None:
        world = World()
        for _ in range(2):
            await world.pool.preload(world.spec("m"))
        assert world.loads == {"m": 1}

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
        assert not timers()

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
