"""Servers of images that fail, and what a client gets then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from typing import Any

from openedai.engines.image_server.server import ImageServer
from openedai.errors import APIError
from tests.engines.image_servers.running import made
from tests.engines.image_servers.webui_state import Steps
from tests.engines.upstream import faults
from tests.engines.upstream.faults import faulty_server

# The options that make a fault quick to test, by words of its name.
_LIMITS = {
    "No answer": {"connect_timeout": 2.0},
    "`busy_timeout`": {"busy_timeout": 0.3},
    "`idle_timeout`": {"idle_timeout": 1.0, "connect_timeout": 2.0},
    "`timeout`": {"timeout": 0.5},
}


def limits(fault: str) -> dict[str, float]:
    """The time limits of a model for the test of a fault."""
    return next((options for words, options in _LIMITS.items() if words in fault), {})


@asynccontextmanager
async def nothing() -> AsyncIterator[str]:
    yield "http://127.0.0.1:1"


@asynccontextmanager
async def raw(fault: faults.Fault, *, up: bool = True) -> AsyncIterator[str]:
    async with faulty_server(fault) as server:
        server.up = up
        yield server.url


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A server that accepts connections and never says anything."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(1 << 16):
                pass
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()


@asynccontextmanager
async def stopped(steps: Steps, fault: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """A server stops in the middle of an image; then the fault happens."""
    steps.hold = 5

    async def run() -> None:
        await steps.held.wait()
        await fault()

    running = asyncio.create_task(run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def outcomes(
    faulty: Callable[[], AbstractAsyncContextManager[str]],
    working: Callable[[], AbstractAsyncContextManager[str]],
    loaded: Callable[..., AbstractAsyncContextManager[ImageServer]],
    **options: Any,
) -> list[str]:
    """What a client gets from an engine of a faulty server, alone and with one that works."""
    found = []
    for servers in ([faulty], [faulty, working]):
        async with AsyncExitStack() as stack:
            urls = [await stack.enter_async_context(server()) for server in servers]
            engine = await stack.enter_async_context(loaded(*urls, **options))
            found.append(await outcome(engine))
    return found


async def outcome(engine: ImageServer) -> str:
    """What the client gets, in the words of the table."""
    try:
        await made(engine)
    except APIError as error:
        return f"{error.status} with `retry-after`" if error.retry_after else str(error.status)
    return "the image"
