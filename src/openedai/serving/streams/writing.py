"""Writes the events of a stream while a job makes them."""

from __future__ import annotations

import asyncio

from openedai.jobs.handler import RunningJob
from openedai.store.conversations.events import KeptEvents
from openedai.store.database import Query

_FLUSH_SECONDS = 0.05


class EventWriter:
    """Writes the events of the stream `id` that follow the number `last`, in groups, some
    milliseconds after the first of each. `write` writes the rest, together with whatever else the
    job writes.
    """

    def __init__(self, job: RunningJob, kept: KeptEvents, id: str, last: int) -> None:
        self.last = last
        self._job = job
        self._kept = kept
        self._id = id
        self._pending: list[bytes] = []
        self._flushing: asyncio.Task[None] | None = None

    def add(self, event: bytes) -> None:
        """Add an event. Raises what writing earlier events has raised."""
        if self._flushing is not None and self._flushing.done():
            self._flushing.result()
            self._flushing = None
        self._pending.append(event)
        self.last += 1
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_soon())

    async def flush(self) -> None:
        """Wait until nothing is being written: events that are added from now on are for
        `write`.
        """
        if self._flushing is not None:
            await asyncio.shield(self._flushing)
            self._flushing = None

    async def write(self, query: Query, *events: bytes) -> None:
        """Write these events and those that are not written yet, in a transaction."""
        self._pending += events
        self.last += len(events)
        if self._pending:
            text = b"\n".join(self._pending).decode()
            await self._kept.add(query, self._id, self.last, text)
            self._pending = []

    async def close(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.wait({self._flushing})

    async def _flush_soon(self) -> None:
        await asyncio.sleep(_FLUSH_SECONDS)
        pending, last = self._pending, self.last
        self._pending = []
        async with self._job.step() as query:
            await self._kept.add(query, self._id, last, b"\n".join(pending).decode())
