"""Limits: what counting costs, and a polite caller next to one that floods the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median

import aiohttp

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.load.client import LoadError, Target
from bench.load.cost import Server, cost
from bench.scale import Scale
from bench.servers import Cores, openedai, pinned

SECTION = "limits"
OFF = "no limits"
ALONE = "alone"
CHAT = "/chat/completions"
POLITE, FLOODING = "sk-polite-0123456789", "sk-flood-0123456789"
_CONNECTIONS = 64  # of the caller that floods
_WORDS = 8
_HEAD = 'chat_model = "echo"\nembedding_model = "echo"\nbuiltin_models = false\n'
_ECHO = '[[models]]\nid = "echo"\nengine = "echo"\n'
# Nothing is refused, and every kind of counter is used.
LIMITED = (
    f"{_HEAD}{_ECHO}[limits]\nrequests_per_minute = 1_000_000\ntokens_per_minute = 100_000_000\n"
    "requests_at_once = 1000\ntokens_per_day = 1_000_000_000\n"
)
FLOODED = (
    f'{_HEAD}api_keys = ["{POLITE}", "{FLOODING}"]\n'
    '[[models]]\nid = "echo"\nengine = "echo"\noptions = { delay = 0.005, slots = 8 }\n'
    "[limits]\nrequests_at_once = 16\n"
)


async def measure(scale: Scale) -> list[Figure]:
    """The servers share one core; the client has the others."""
    cores = Cores.split()
    under_load, rest = (cores.server, cores.rest) if cores else (None, None)
    async with AsyncExitStack() as stack:
        stack.enter_context(pinned(rest))
        servers = {
            name: Server(Target(name, url, "echo"), pid)
            for name, config in ((SUBJECT, LIMITED), (OFF, f"{_HEAD}{_ECHO}"))
            for url, pid in [await stack.enter_async_context(openedai(config, cores=under_load))]
        }
        figure = await _cost(servers, scale)
    async with AsyncExitStack() as stack:
        stack.enter_context(pinned(rest))
        url, _ = await stack.enter_async_context(openedai(FLOODED, cores=under_load))
        return [figure, await _beside_a_flood(url, scale)]


async def _cost(servers: dict[str, Server], scale: Scale) -> Figure:
    async def run(server: Server) -> float:
        body = server.target.chat("Say this again.", 16, stream=False)
        found, _ = await cost(server, CHAT, body, scale.small_chats, scale.small_chat_streams)
        return found

    for server in servers.values():
        await run(server)
    runs = {name: lambda _, server=server: run(server) for name, server in servers.items()}
    return Figure(
        SECTION,
        "processor time of a small chat",
        "ms",
        False,
        await alternate(runs, scale.rounds),
        Budget(0.1, "at most", of="difference", peer=OFF),
        note=f"{scale.small_chat_streams} connections; limits of a minute, a day, and at once",
    )


async def _beside_a_flood(url: str, scale: Scale) -> Figure:
    async def alone(number: int) -> float:
        return await _latency(url, scale)

    async def beside(number: int) -> float:
        async with _flood(url):
            return await _latency(url, scale)

    await alone(-1)
    return Figure(
        SECTION,
        "a polite caller beside one that floods",
        "ms",
        False,
        await alternate({SUBJECT: beside, ALONE: alone}, scale.rounds),
        note=f"median of one request after the other, beside {_CONNECTIONS} connections of another "
        "key that send at once what is refused; 16 requests at once for each key, 8 slots",
    )


async def _latency(url: str, scale: Scale) -> float:
    """The median time of the polite caller's requests, in ms."""
    times = []
    async with _session(POLITE) as session:
        for _ in range(max(10, scale.small_chats // 20)):
            began = time.perf_counter()
            if await _send(session, url) != 200:
                raise LoadError("the polite caller was refused")
            times.append(1000 * (time.perf_counter() - began))
    return median(times)


@asynccontextmanager
async def _flood(url: str) -> AsyncIterator[None]:
    async with _session(FLOODING) as session:

        async def send_all() -> None:
            while True:
                await _send(session, url)

        tasks = [asyncio.create_task(send_all()) for _ in range(_CONNECTIONS)]
        try:
            await asyncio.sleep(0.5)
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _session(key: str) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
    return aiohttp.ClientSession(headers={"authorization": f"Bearer {key}"}, connector=connector)


async def _send(session: aiohttp.ClientSession, url: str) -> int:
    content = " ".join(["word"] * _WORDS)
    body = {"model": "echo", "messages": [{"role": "user", "content": content}]}
    async with session.post(f"{url}{CHAT}", json=body) as answer:
        await answer.read()
        return answer.status
