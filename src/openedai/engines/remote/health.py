"""Health checks of replicas in the background. A replica is up if it answers with a status below
500.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from openedai.engines.remote.replicas import Replica, Replicas

if TYPE_CHECKING:
    import aiohttp


class HealthChecks:
    """Checks every replica each `interval` seconds with a GET of `path`, until stopped. A single
    replica is not checked, and an interval of 0 turns checks off. `timeout` is also in seconds.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        replicas: Replicas,
        path: str,
        *,
        interval: float,
        timeout: float,
    ) -> None:
        self._task: asyncio.Task[None] | None = None
        if len(replicas.all) > 1 and interval:
            self._task = asyncio.create_task(_check_all(session, replicas, path, interval, timeout))

    async def stop(self) -> None:
        """May be called several times."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None


async def _check_all(
    session: aiohttp.ClientSession, replicas: Replicas, path: str, interval: float, timeout: float
) -> None:
    while True:
        await asyncio.sleep(interval)
        await asyncio.gather(*(check(session, one, path, timeout) for one in replicas.all))


async def check(
    session: aiohttp.ClientSession, replica: Replica, path: str, timeout: float
) -> None:
    """Mark the replica as up or down by its answer within `timeout` seconds."""
    import aiohttp

    try:
        async with asyncio.timeout(timeout):
            response = await session.get(replica.url / path, allow_redirects=False)
            replica.mark(up=response.status < 500)
            response.close()
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        replica.mark(up=False)
