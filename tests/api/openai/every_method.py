"""One scenario for the synchronous and the asynchronous official client, and what it called."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from openai import AsyncOpenAI, OpenAI
from openai._resource import AsyncAPIResource, SyncAPIResource

from tests.support import Running

RESOURCES = (SyncAPIResource, AsyncAPIResource)
Kind = type[OpenAI] | type[AsyncOpenAI]
CLIENTS: tuple[Kind, ...] = (OpenAI, AsyncOpenAI)


class Recorded:
    """A resource of the official client; `called` has the names of the methods that were used."""

    def __init__(self, resource: Any, called: set[str] | None = None, path: str = "") -> None:
        self._resource = resource
        self._path = path
        self.called: set[str] = set() if called is None else called

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._resource, name)
        path = f"{self._path}{name}"
        if isinstance(value, RESOURCES):
            return Recorded(value, self.called, f"{path}.")
        self.called.add(path)
        return value


def methods(resource: Any, path: str = "") -> set[str]:
    """The names of all its methods; those of the resources in it are as in `files.list`."""
    found: set[str] = set()
    for name in dir(type(resource)):
        if name.startswith(("_", "with_")):
            continue
        value = getattr(resource, name)
        inner = isinstance(value, RESOURCES)
        found |= methods(value, f"{path}{name}.") if inner else {f"{path}{name}"}
    return found


def play(kind: Kind, server: Running, scenario: Callable[[Any], Awaitable[None]]) -> None:
    """Run the scenario with such a client of the server."""

    async def played() -> None:
        client: Any = kind(base_url=f"{server.url}/v1", api_key="dummy", max_retries=0)
        try:
            await scenario(client)
        finally:
            await done(client.close())

    asyncio.run(played())


async def done(answer: Any) -> Any:
    """What either client answers."""
    return await answer if inspect.isawaitable(answer) else answer


async def in_stream(manager: Any, use: Callable[[Any], Awaitable[None]]) -> None:
    """Use the stream of either client."""
    if hasattr(manager, "__aenter__"):
        async with manager as stream:
            await use(stream)
    else:
        with manager as stream:
            await use(stream)
