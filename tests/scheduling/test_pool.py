from __future__ import annotations

import asyncio
import logging

import pytest

from openedai.config import ModelSpec
from openedai.contract.engine import Embedder, Generator
from openedai.errors import ContextLengthExceeded, EngineFailed, Unavailable, Unsupported
from openedai.scheduling.state import Occupancy
from tests.scheduling.conftest import PoolHarness, let_tasks_run, run_virtually, timers


def test_two_callers_share_one_load() -> None:
    async def go() -> None:
        harness = PoolHarness(manual=True, slots=2)
        first, second = harness.hold("m"), harness.hold("m", "you")
        await let_tasks_run()
        assert harness.pool.snapshot().models[0].state == "loading"
        harness.finish_load("m")
        await let_tasks_run()
        assert first.engine is second.engine is harness.engines[0]
        assert harness.loads == {"m": 1}

    run_virtually(go)


def test_a_load_does_not_block_a_loaded_model_and_loads_take_turns() -> None:
    async def go() -> None:
        harness = PoolHarness(manual=True)
        await asyncio.gather(harness.pool.preload(harness.spec("a")), finish(harness, "a"))
        slow, next_one = harness.hold("b"), harness.hold("c")
        await let_tasks_run()
        async with harness.lease("a"):
            assert list(harness.pending) == ["b"]
        harness.finish_load("b")
        await let_tasks_run()
        assert slow.holding
        assert list(harness.pending) == ["c"]
        harness.finish_load("c")
        await let_tasks_run()
        assert next_one.holding

    run_virtually(go)


async def finish(harness: PoolHarness, model_id: str) -> None:
    await let_tasks_run()
    harness.finish_load(model_id)


def test_a_load_that_all_requests_left_goes_on_and_the_model_is_idle() -> None:
    async def go() -> None:
        harness = PoolHarness(manual=True)
        request = harness.hold("m")
        await let_tasks_run()
        request.task.cancel()
        await let_tasks_run()
        harness.finish_load("m")
        await let_tasks_run()
        assert harness.loaded() == ["m"]
        assert harness.pool.snapshot().models[0].running == 0
        async with harness.lease("m"):
            assert harness.loads == {"m": 1}

    run_virtually(go)


def test_a_load_that_all_requests_left_before_it_began_is_dropped() -> None:
    async def go() -> None:
        harness = PoolHarness(manual=True)
        harness.hold("a")
        request = harness.hold("b")
        await let_tasks_run()
        request.task.cancel()
        await let_tasks_run()
        harness.finish_load("a")
        await let_tasks_run()
        assert harness.loads == {"a": 1}
        harness.hold("b")
        await finish(harness, "b")
        await let_tasks_run()
        assert harness.loaded() == ["a", "b"]

    run_virtually(go)


def test_a_failed_load_is_one_error_for_all_and_the_next_request_tries_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def go() -> None:
        harness = PoolHarness(manual=True)
        requests = [harness.hold("m", caller) for caller in ("a", "b", "b")]
        await let_tasks_run()
        harness.finish_load("m", RuntimeError("secret cause"))
        await let_tasks_run()
        errors = [request.error for request in requests]
        assert isinstance(errors[0], EngineFailed)
        assert "`m`" in errors[0].message
        assert "secret" not in errors[0].message
        assert all(error is errors[0] for error in errors)
        assert harness.pool.snapshot().models[0].waiting == 0
        assert harness.loads == {"m": 1}
        harness.manual = False
        async with harness.lease("m"):
            assert harness.loads == {"m": 2}

    with caplog.at_level(logging.ERROR):
        run_virtually(go)
    assert "secret cause" in caplog.text


def test_an_api_error_of_a_load_is_passed_on_unchanged() -> None:
    async def go() -> None:
        harness = PoolHarness(manual=True)
        error = ContextLengthExceeded.by_tokens(1, 2)
        request = harness.hold("m")
        await let_tasks_run()
        harness.finish_load("m", error)
        await let_tasks_run()
        assert request.error is error

    run_virtually(go)


def test_a_load_that_is_cancelled_from_inside_is_an_error_too() -> None:
    async def go() -> None:
        harness = PoolHarness(manual=True)
        request = harness.hold("m")
        await let_tasks_run()
        harness.pending["m"].cancel()
        await let_tasks_run()
        assert isinstance(request.error, EngineFailed)

    run_virtually(go)


def test_an_unsupported_capability_is_refused_without_loading() -> None:
    async def go() -> None:
        harness = PoolHarness()
        with pytest.raises(Unsupported) as refusal:
            async with harness.pool.lease(harness.spec("m"), Embedder, "me"):
                pass
        error = refusal.value
        assert error.message == "The model `m` does not support embeddings."
        assert (error.param, error.code) == ("model", "unsupported_model")
        with pytest.raises(Unsupported, match="text generation"):
            async with harness.pool.lease(ModelSpec(id="m", engine="other"), Generator, "me"):
                pass
        assert not harness.loads

    run_virtually(go)


def test_a_dead_engine_is_dropped_at_once_and_loaded_again_for_waiting_requests() -> None:
    async def go() -> None:
        harness = PoolHarness()
        first, second = harness.hold("m"), harness.hold("m")
        await let_tasks_run()
        assert not second.holding
        dead = harness.engines[0]
        dead.death.set()
        await let_tasks_run()
        assert dead.closed
        assert second.engine is harness.engines[1]
        assert harness.pool.snapshot().models[0].crashes == 1
        first.finish()
        second.finish()
        await let_tasks_run()
        assert harness.pool.snapshot().models[0].running == 0

    run_virtually(go)


@pytest.mark.parametrize("broken", [False, True])
def test_a_dead_engine_that_no_request_waits_for_is_loaded_on_the_next_lease(broken: bool) -> None:
    async def go() -> None:
        harness = PoolHarness()
        await harness.pool.preload(harness.spec("m"))
        harness.engines[0].broken = broken
        harness.engines[0].death.set()
        await let_tasks_run()
        assert harness.loads == {"m": 1}
        assert not harness.alive
        async with harness.lease("m") as engine:
            assert engine is harness.engines[1]

    run_virtually(go)


def test_a_dead_engine_gets_no_more_requests_before_it_is_dropped() -> None:
    """A request may come before the pool notices the death."""

    async def go() -> None:
        harness = PoolHarness()
        await harness.pool.preload(harness.spec("m"))
        await let_tasks_run()
        harness.engines[0].death.set()
        async with harness.lease("m") as engine:
            assert engine is harness.engines[1]

    run_virtually(go)


def test_an_evicted_engine_does_not_count_as_a_crash() -> None:
    async def go() -> None:
        harness = PoolHarness()
        await harness.pool.preload(harness.spec("m"))
        await let_tasks_run()
        harness.engines[0].ignores_cancellation = True
        assert await harness.pool.unload("m")
        async with harness.lease("m"):
            await let_tasks_run()
            assert harness.loaded() == ["m"]
        assert harness.pool.snapshot().models[0].crashes == 0

    run_virtually(go)


def test_a_load_that_nobody_waits_for_can_be_unloaded() -> None:
    async def go() -> None:
        harness = PoolHarness(manual=True)
        waiting = asyncio.create_task(harness.pool.preload(harness.spec("m")))
        await let_tasks_run()
        assert not await harness.pool.unload("m")
        waiting.cancel()
        await let_tasks_run()
        assert harness.pool.snapshot().models[0].state == "loading"
        assert await harness.pool.unload("m")
        assert harness.pool.snapshot().models[0].state == "unloaded"
        assert not await harness.pool.unload("m")

    run_virtually(go)


def test_releasing_a_lease_never_awaits() -> None:
    async def go() -> None:
        harness = PoolHarness()
        lease = harness.lease("m")
        await lease.__aenter__()
        with pytest.raises(StopIteration):
            lease.__aexit__(None, None, None).__await__().__next__()
        assert harness.pool.snapshot().models[0].running == 0

    run_virtually(go)


def test_preload_of_a_loaded_model_does_nothing() -> None:
    async def go() -> None:
        harness = PoolHarness()
        for _ in range(2):
            await harness.pool.preload(harness.spec("m"))
        assert harness.loads == {"m": 1}

    run_virtually(go)


def test_preload_raises_the_error_of_the_load_and_outwaits_the_queue_timeout() -> None:
    async def go() -> None:
        harness = PoolHarness(manual=True, queue_timeout=5)
        preload = asyncio.create_task(harness.pool.preload(harness.spec("m")))
        await asyncio.sleep(100)
        harness.finish_load("m", EngineFailed("no"))
        with pytest.raises(EngineFailed, match="no"):
            await preload

    run_virtually(go)


def test_the_shutdown() -> None:
    async def go() -> None:
        harness = PoolHarness()
        held, queued = harness.hold("m"), harness.hold("m")
        await let_tasks_run()
        harness.pool.stop_accepting()
        for refused in (harness.pool.preload(harness.spec("m")), enter(harness, "m")):
            with pytest.raises(Unavailable, match="shutting down"):
                await refused
        assert not await harness.pool.drain(10)
        draining = asyncio.create_task(harness.pool.drain(10))
        held.finish()
        queued.finish()
        assert await draining
        assert queued.error is None
        await harness.pool.close()
        await harness.pool.close()
        assert not harness.alive
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(go)


async def enter(harness: PoolHarness, model_id: str) -> None:
    async with harness.lease(model_id):
        pass


def test_close_ends_loads_waiters_and_leased_engines() -> None:
    async def go() -> None:
        harness = PoolHarness(manual=True, idle_timeout=100)
        held, queued = harness.hold("a"), harness.hold("a")
        await let_tasks_run()
        harness.finish_load("a")
        await let_tasks_run()
        loading = harness.hold("b")
        preloading = asyncio.create_task(harness.pool.preload(harness.spec("c")))
        await let_tasks_run()
        await harness.pool.close()
        await let_tasks_run()
        for error in (queued.error, loading.error, preloading.exception()):
            assert isinstance(error, Unavailable)
        assert not harness.pending
        assert not harness.alive
        held.finish()
        await let_tasks_run()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not timers()

    run_virtually(go)


def test_occupancy_and_waits() -> None:
    async def go() -> None:
        harness = PoolHarness(max_queue=4, slots=2, manual=True)
        assert harness.pool.occupancy(harness.spec("m")) == Occupancy(4, 4)
        requests = [harness.hold("m") for _ in range(3)]
        await asyncio.sleep(3)
        assert harness.pool.occupancy(harness.spec("m")) == Occupancy(4, 1)
        harness.finish_load("m")
        await let_tasks_run()
        assert harness.pool.occupancy(harness.spec("m")) == Occupancy(6, 3)
        await asyncio.sleep(4)
        requests[0].finish()
        await let_tasks_run()
        assert harness.waits == [("m", 3), ("m", 3), ("m", 7)]

    run_virtually(go)
