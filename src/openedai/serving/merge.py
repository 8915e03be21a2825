"""Several event streams as one, in the order of the events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


async def merge(
    streams: Sequence[AsyncGenerator[T, None]], *, limit: int
) -> AsyncGenerator[tuple[int, T], None]:
    """Yield `(index of the stream, event)`. At most `limit` streams run at once.

    The first failure ends everything and is raised. Closing the result closes every stream.
    """
    if len(streams) == 1:
        async with aclosing(streams[0]) as only:
            async for event in only:
                yield 0, event
        return
    events: asyncio.Queue[tuple[int, T] | BaseException | None] = asyncio.Queue()
    free = asyncio.Semaphore(limit)

    async def feed(number: int, stream: AsyncGenerator[T, None]) -> None:
        try:
            async with free, aclosing(stream):
                async for event in stream:
                    events.put_nowait((number, event))
            events.put_nowait(None)
        except Exception as error:
            events.put_nowait(error)

    tasks = [asyncio.create_task(feed(*numbered)) for numbered in enumerate(streams)]
    try:
        running = len(tasks)
        while running:
            match await events.get():
                case None:
                    running -= 1
                case BaseException() as error:
                    raise error
                case pair:
                    yield pair
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
