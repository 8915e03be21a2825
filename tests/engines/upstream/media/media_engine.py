"""An upstream engine in front of a server that answers in a chosen way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from openedai.engines.upstream.engine import Upstream
from tests.engines.upstream.faults import Fault, FaultyServer, faulty_server

E = TypeVar("E")
T = TypeVar("T")


@asynccontextmanager
async def upstream(fault: Fault, **options: Any) -> AsyncIterator[tuple[Upstream, FaultyServer]]:
    """An engine whose model is `theirs` at its server."""
    async with faulty_server(fault) as server:
        given = {"url": server.url, "model": "theirs", **options}
        engine = await Upstream.load("ours", None, given)
        try:
            yield engine, server
        finally:
            await engine.close()


async def collected(events: AsyncGenerator[E, None]) -> list[E]:
    async with aclosing(events) as stream:
        return [event async for event in stream]


def ask(
    fault: Fault, scenario: Callable[[Upstream, FaultyServer], Awaitable[T]], **options: Any
) -> T:
    """The result of a scenario with an engine and its server."""

    async def run() -> T:
        async with upstream(fault, **options) as (engine, server):
            return await scenario(engine, server)

    return asyncio.run(run())
