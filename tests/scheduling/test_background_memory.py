"""Models that only the background uses or wants: whose memory it may have, and who gets it back."""

from __future__ import annotations

import asyncio

import pytest

from openedai.errors import Unavailable
from openedai.scheduling.evictions import PATIENCE, TURN
from tests.scheduling.conftest import LeaseTask, PoolHarness, let_tasks_run, now, run_virtually


async def running_line(harness: PoolHarness, model_id: str, *, stays: bool = False) -> LeaseTask:
    line = harness.line(model_id, stays=stays)
    await let_tasks_run()
    assert line.holding
    return line


def test_a_client_gets_the_memory_of_the_background() -> None:
    """The lines that wait begin again when the client's model is no longer used."""

    async def go() -> None:
        harness = PoolHarness(budget=10, slots=2)
        lines = [await running_line(harness, "a") for _ in range(2)]
        waiting = harness.line("a")
        client = harness.hold("b")
        await let_tasks_run()
        assert client.holding
        assert all(line.task.done() for line in lines)
        assert harness.loaded() == ["b"]
        client.finish()
        await asyncio.sleep(PATIENCE - 2)
        assert harness.loaded() == ["b"]
        assert not waiting.holding
        await asyncio.sleep(4)
        assert waiting.holding
        assert harness.loaded() == ["a"]

    run_virtually(go)


def test_what_cannot_give_way_is_not_followed_by_others() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=10)
        stays = await running_line(harness, "a", stays=True)
        waiting, client = harness.line("a"), harness.hold("b")
        await let_tasks_run()
        assert (stays.holding, waiting.holding, client.holding) == (True, False, False)
        stays.finish()
        await let_tasks_run()
        assert (waiting.holding, client.holding) == (False, True)

    run_virtually(go)


def test_new_lines_wait_while_a_client_needs_the_memory() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=10, slots=2)
        stays = await running_line(harness, "a", stays=True)
        client = harness.hold("b")
        await let_tasks_run()
        late = harness.line("a")
        await let_tasks_run()
        assert not late.holding, "though a slot is free"
        client.task.cancel()
        await let_tasks_run()
        stays.finish()
        await let_tasks_run()
        assert late.holding

    run_virtually(go)


def test_a_model_that_a_client_uses_goes_on_with_its_lines() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=10, slots=2, queue_timeout=60)
        line = await running_line(harness, "a")
        client = harness.hold("a")
        await let_tasks_run()
        assert client.holding
        with pytest.raises(Unavailable):
            async with harness.lease("b"):
                pass
        assert line.holding

    run_virtually(go)


def test_nothing_gives_way_if_that_is_not_enough() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=20)
        harness.sizes["big"] = 15
        line, client = await running_line(harness, "a"), harness.hold("b")
        await let_tasks_run()
        assert client.holding
        big = harness.hold("big")
        await let_tasks_run()
        assert line.holding
        client.finish()
        await let_tasks_run()
        assert big.holding
        assert not line.holding

    run_virtually(go)


def test_two_clients_that_need_the_same_memory() -> None:
    """The background goes on only after both."""

    async def go() -> None:
        harness = PoolHarness(budget=20, slots=2)
        harness.sizes["a"] = 20
        stays = await running_line(harness, "a", stays=True)
        clients = [harness.hold("b"), harness.hold("c")]
        await let_tasks_run()
        clients[0].task.cancel()
        await let_tasks_run()
        late = harness.line("a")
        await let_tasks_run()
        assert not late.holding
        stays.finish()
        await let_tasks_run()
        assert clients[1].holding

    run_virtually(go)


def test_the_background_leaves_models_alone_that_clients_have_just_used() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=10)
        async with harness.lease("chat"):
            await asyncio.sleep(1)
        line = harness.line("a")
        for _ in range(3):
            await asyncio.sleep(PATIENCE - 2)
            assert not line.holding
            async with harness.lease("chat"):
                pass
        assert harness.loads == {"chat": 1}
        ended = now()
        await asyncio.sleep(PATIENCE + 2)
        assert line.holding
        assert harness.waits[-1][1] >= ended + PATIENCE - 1

    run_virtually(go)


def test_a_client_does_not_share_the_patience_of_the_background() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=10)
        async with harness.lease("chat"):
            pass
        harness.line("a")
        await let_tasks_run()
        began = now()
        client = harness.hold("a")
        await let_tasks_run()
        assert client.holding
        assert now() == began

    run_virtually(go)


def test_batches_of_two_models_take_turns() -> None:
    async def go() -> None:
        harness = PoolHarness(budget=10)
        first, second = await running_line(harness, "a"), harness.line("b")
        begun = now()
        await asyncio.sleep(TURN - 2)
        assert (first.holding, second.holding) == (True, False)
        await asyncio.sleep(4)
        assert (first.holding, second.holding) == (False, True)
        again = harness.line("a")
        await asyncio.sleep(TURN - 4)
        assert not again.holding
        await asyncio.sleep(8)
        assert again.holding
        assert now() - begun < 2 * TURN + 10
        assert harness.loads == {"a": 2, "b": 1}

    run_virtually(go)
