"""Deletes what is no longer needed, now and then, while the store is open."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence

from openedai.errors import APIError
from openedai.store.store import Store

log = logging.getLogger("openedai.store")

Sweep = Callable[[], Awaitable[None]]
_SECONDS = 600.0


class Sweeping:
    """Runs the sweeps one after another, every few minutes. Several servers may do so at once."""

    def __init__(self, store: Store, sweeps: Sequence[Sweep]) -> None:
        self._store = store
        self._sweeps = sweeps
        self._task: asyncio.Task[None] | None = None
        self._random = random.Random()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        await self._store.opened.wait()
        while True:
            for sweep in self._sweeps:
                try:
                    await sweep()
                except Exception as error:
                    known = isinstance(error, APIError)
                    log.warning("a sweep failed: %s", error, exc_info=None if known else error)
            await asyncio.sleep(_SECONDS * self._random.uniform(0.8, 1.2))
