"""Health checks of replicas in the background: a replica is up if its status is below 500."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from openedai.engines.remote.replicas import Replica, Replicas

if TYPE_CHECKING:
    import aiohttp


async def watch(
    session: aiohttp.ClientSession,
    replicas: Replicas,
    path: str,
    *,
    interval: float,
    timeout: float,
) -> None:
    """Check every replica each `interval` seconds, until cancelled, by a GET of `path`. `timeout`
    is in seconds too.
    """
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
