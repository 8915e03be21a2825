"""Health checks of replicas in the background: a replica is up if its status is below 500."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from openedai.engines.upstream.replicas.replicas import Replica, Replicas

if TYPE_CHECKING:
    import aiohttp


async def watch(
    session: aiohttp.ClientSession, replicas: Replicas, *, interval: float, timeout: float
) -> None:
    """Check every replica each `interval` seconds, until cancelled. `timeout` is in seconds too."""
    while True:
        await asyncio.sleep(interval)
        await asyncio.gather(*(check(session, one, timeout) for one in replicas.all))


async def check(session: aiohttp.ClientSession, replica: Replica, timeout: float) -> None:
    """Mark the replica as up or down by its answer within `timeout` seconds."""
    import aiohttp

    try:
        async with asyncio.timeout(timeout):
            response = await session.get(replica.url / "models", allow_redirects=False)
            replica.mark(up=response.status < 500)
            response.close()
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        replica.mark(up=False)
