"""Generations that are asked to end, at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from openedai.serving.stopping import Ending, Running


class Source:
    """Events that come when they are told to. It knows whether it was closed."""

    def __init__(self) -> None:
        self.more = asyncio.Queue[int]()
        self.waiting = asyncio.Event()
        self.closed = False

    async def events(self) -> AsyncGenerator[int, None]:
        try:
            while True:
                self.waiting.set()
                yield await self.more.get()
        finally:
            self.closed = True


def test_it_ends_while_an_event_is_waited_for() -> None:
    async def go() -> None:
        source, ending = Source(), Ending()
        waiting = asyncio.create_task(ending.following(source.events()))
        await source.waiting.wait()
        ending.ask()
        assert await waiting is None
        assert source.closed

    asyncio.run(go())


def test_it_ends_when_it_is_asked_between_events() -> None:
    async def go() -> None:
        source, ending = Source(), Ending()
        source.more.put_nowait(1)
        events = source.events()
        assert await ending.following(events) == 1
        ending.ask()
        source.more.put_nowait(2)
        assert await ending.following(events) is None
        assert not source.closed
        await events.aclose()

    asyncio.run(go())


@pytest.mark.parametrize("first", ["asked", "left"])
def test_a_client_that_leaves_meanwhile_is_cancelled(first: str) -> None:
    async def go() -> None:
        source, ending = Source(), Ending()
        waiting = asyncio.create_task(ending.following(source.events()))
        await source.waiting.wait()
        if first == "asked":
            ending.ask()
            waiting.cancel()
        else:
            waiting.cancel()
            ending.ask()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert source.closed

    asyncio.run(go())


def test_a_timeout_of_the_engine_stays_one() -> None:
    async def fails() -> AsyncGenerator[int, None]:
        raise TimeoutError("slow")
        yield 0

    async def go() -> None:
        with pytest.raises(TimeoutError, match="slow"):
            await Ending().following(fails())

    asyncio.run(go())


def test_what_fails_while_it_ends_is_raised() -> None:
    """And the task is as it was: nothing else of it is cancelled."""

    async def fails(waiting: asyncio.Event) -> AsyncGenerator[int, None]:
        try:
            waiting.set()
            await asyncio.Event().wait()
            yield 0
        finally:
            raise ValueError("while closing")

    async def ended(ending: Ending, waiting: asyncio.Event) -> int:
        with pytest.raises(ValueError, match="while closing"):
            await ending.following(fails(waiting))
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    async def go() -> None:
        ending, waiting = Ending(), asyncio.Event()
        running = asyncio.create_task(ended(ending, waiting))
        await waiting.wait()
        ending.ask()
        ending.ask()
        assert await running == 0

    asyncio.run(go())


def test_the_end_of_the_events() -> None:
    async def none() -> AsyncGenerator[int, None]:
        return
        yield 0

    async def go() -> None:
        ending = Ending()
        assert await ending.following(none()) is None
        assert not ending.asked

    asyncio.run(go())


def test_each_caller_ends_his_own() -> None:
    running = Running()
    with running.enter("a") as one, running.enter("a") as two, running.enter("b") as other:
        running.end("a")
        running.end("c")
        assert (one.asked, two.asked, other.asked) == (True, True, False)
        with running.enter("a") as later:
            assert not later.asked
    assert running._endings == {}
