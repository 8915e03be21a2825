"""Reads the events of a stream that a job makes, here or on another server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from openedai.errors import NotFound
from openedai.store.conversations.events import KeptEvents

_POLL_SECONDS = 0.05
_GROUPS = 100  # of events, read at once


async def follow(
    events: KeptEvents, id: str, after: int, has_ended: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[list[bytes], None]:
    """The events after the number `after`, as they come, some at a time, up to the end.

    Empty lists come while there are no events. `has_ended` raises NotFound if the stream was
    deleted, which ends it too.
    """
    while True:
        try:
            ended = await has_ended()
        except NotFound:
            return
        groups = await events.read(id, after, _GROUPS)
        for last, text in groups:
            found = text.encode().split(b"\n")
            first = last - len(found) + 1
            yield found[max(0, after + 1 - first) :]
            after = last
        if not groups:
            if ended:
                return
            yield []
            await asyncio.sleep(_POLL_SECONDS)
