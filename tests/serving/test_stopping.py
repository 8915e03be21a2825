"""Generations that are stopped, at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from openedai.serving.stopping import ActiveGenerations, StopHandle


class Source:
    """Events on demand, which record whether they were closed."""

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


def test_stopping_during_the_wait_for_an_event() -> None:
    async def go() -> None:
        source, handle = Source(), StopHandle()
        waiting = asyncio.create_task(handle.next_event(source.events()))
        await source.waiting.wait()
        handle.stop()
        assert await waiting is None
        assert source.closed

    asyncio.run(go())


def test_stopping_between_events() -> None:
    async def go() -> None:
        source, handle = Source(), StopHandle()
        source.more.put_nowait(1)
        events = source.events()
        assert await handle.next_event(events) == 1
        handle.stop()
        source.more.put_nowait(2)
        assert await handle.next_event(events) is None
        assert not source.closed
        await events.aclose()

    asyncio.run(go())


@pytest.mark.parametrize("first", ["stopped", "left"])
def test_a_client_that_leaves_at_the_same_time_is_cancelled(first: str) -> None:
    async def go() -> None:
        source, handle = Source(), StopHandle()
        waiting = asyncio.create_task(handle.next_event(source.events()))
        await source.waiting.wait()
        if first == "stopped":
            handle.stop()
            waiting.cancel()
        else:
            waiting.cancel()
            handle.stop()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert source.closed

    asyncio.run(go())


def test_a_timeout_of_the_engine_is_raised() -> None:
    async def fails() -> AsyncGenerator[int, None]:
        raise TimeoutError("slow")
        yield 0

    async def go() -> None:
        with pytest.raises(TimeoutError, match="slow"):
            await StopHandle().next_event(fails())

    asyncio.run(go())


def test_an_error_while_stopping_is_raised() -> None:
    """Nothing else of the task is cancelled."""

    async def fails(waiting: asyncio.Event) -> AsyncGenerator[int, None]:
        try:
            waiting.set()
            await asyncio.Event().wait()
            yield 0
        finally:
            raise ValueError("while closing")

    async def cancellations_after(handle: StopHandle, waiting: asyncio.Event) -> int:
        with pytest.raises(ValueError, match="while closing"):
            await handle.next_event(fails(waiting))
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    async def go() -> None:
        handle, waiting = StopHandle(), asyncio.Event()
        running = asyncio.create_task(cancellations_after(handle, waiting))
        await waiting.wait()
        handle.stop()
        handle.stop()
        assert await running == 0

    asyncio.run(go())


def test_the_end_of_the_events() -> None:
    async def none() -> AsyncGenerator[int, None]:
        return
        yield 0

    async def go() -> None:
        handle = StopHandle()
        assert await handle.next_event(none()) is None
        assert not handle.stopped

    asyncio.run(go())


def test_callers_stop_only_their_own() -> None:
    active = ActiveGenerations()
    with active.enter("a") as one, active.enter("a") as two, active.enter("b") as other:
        active.stop("a")
        active.stop("c")
        assert (one.stopped, two.stopped, other.stopped) == (True, True, False)
        with active.enter("a") as later:
            assert not later.stopped
        assert len(active) == 3
    assert len(active) == 0
