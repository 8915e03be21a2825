"""Responses: what storing them costs, reading them, their streams, and chains of turns.

Processor times are those of a single process, which includes the echo engine.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from statistics import median

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.load.client import Connection, LoadError, Target, post_many
from bench.load.cost import Server, cost
from bench.scale import Scale
from bench.sections.chains import chain_figures, text_chain_figures
from bench.sections.overhead import CHAT, config, proxy_config
from bench.servers import Cores, ogx, openedai, pinned

SECTION = "responses"
PATH = "/responses"
NOT_STORED = "store: false"
A_CHAT = "a chat"
PEER = "OGX"
_QUESTION = "Say this again."
_TOKENS = 16  # of small responses


async def measure(model: str | None, scale: Scale, ogx_python: Path | None) -> list[Figure]:
    """On the echo engine, and a chain on a text model: `model`, or the default one.

    `ogx_python` is an interpreter that has OGX; None measures ours alone.
    """
    figures = await echo_figures(scale, ogx_python)
    with tempfile.TemporaryDirectory() as folder:
        async with openedai(f'data = "{folder}"\n') as (url, _):
            target = Target(SUBJECT, url, model or "gpt-4o-mini")
            return [*figures, *await text_chain_figures(target, scale)]


async def echo_figures(scale: Scale, ogx_python: Path | None) -> list[Figure]:
    """The servers under load share one core; the client has the others, and so has the server
    that both call.
    """
    cores = Cores.split()
    under_load, rest = (cores.server, cores.rest) if cores else (None, None)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(pinned(rest))
        echo = config(scale.response_tokens)
        serving = openedai(f'data = "{folder}/echo"\n{echo}', cores=under_load)
        url, pid = await stack.enter_async_context(serving)
        ours = Server(Target(SUBJECT, url, "echo"), pid)
        figures = [
            await _storing(ours, scale),
            await _waiting(ours.target, scale, stream=True),
            await _waiting(ours.target, scale, stream=False),
            *await _streams(Server(Target(SUBJECT, url, "long"), pid), scale),
            *await chain_figures(ours, scale),
        ]
        targets = [ours.target]
        if ogx_python is not None:
            upstream, _ = await stack.enter_async_context(openedai(echo))
            proxy = f'data = "{folder}/proxy"\n{proxy_config(upstream)}'
            front = await stack.enter_async_context(openedai(proxy, cores=under_load))
            peer = await stack.enter_async_context(ogx(ogx_python, upstream, under_load))
            fronts = [(SUBJECT, "echo", *front), (PEER, "echo/echo", *peer)]
            servers = [Server(Target(name, url, one), pid) for name, one, url, pid in fronts]
            figures.append(await _in_front(servers, scale))
            targets.append(servers[1].target)
        return [*figures, await _retrieving(targets, scale)]


async def _storing(server: Server, scale: Scale) -> Figure:
    async def run(store: bool, number: int) -> float:
        body = server.target.response(_QUESTION, _TOKENS, store=store)
        spent, _ = await cost(server, PATH, body, scale.responses, scale.small_chat_streams)
        return spent

    for store in (True, False):
        await run(store, -1)
    return Figure(
        SECTION,
        "a small response, processor time of the server",
        "ms",
        False,
        await alternate(
            {SUBJECT: partial(run, True), NOT_STORED: partial(run, False)}, scale.rounds
        ),
        Budget(1, "at most", of="difference", peer=NOT_STORED),
        note=f"{scale.small_chat_streams} connections",
    )


async def _waiting(target: Target, scale: Scale, *, stream: bool) -> Figure:
    """Sent one after the other: if several were sent at once, each would wait for the earlier
    ones.
    """

    async def run(store: bool, number: int) -> float:
        body = target.response(_QUESTION, _TOKENS, stream=stream, store=store)
        replies, _ = await post_many(target, PATH, body, scale.responses // 4, 1)
        return 1000 * median(reply.first for reply in replies)

    return Figure(
        SECTION,
        "a streamed response, first token" if stream else "a response that is not streamed",
        "ms",
        False,
        await alternate(
            {SUBJECT: partial(run, True), NOT_STORED: partial(run, False)}, scale.rounds
        ),
        Budget(5, "at most", of="difference", peer=NOT_STORED),
        note="one after the other",
    )


async def _streams(server: Server, scale: Scale) -> list[Figure]:
    target, tokens = server.target, scale.response_tokens

    async def run(path: str, body: bytes, number: int) -> float:
        count, streams = scale.responses // 4, scale.small_chat_streams
        spent, replies = await cost(server, path, body, count, streams)
        if any(reply.chunks != tokens for reply in replies):
            raise LoadError(f"{replies[0].chunks} chunks came, of {tokens}")
        return spent

    bodies = {
        "stored": target.response("Go!", tokens, stream=True),
        "not stored": target.response("Go!", tokens, stream=True, store=False),
    }
    runs = {name: partial(run, PATH, body) for name, body in bodies.items()}
    runs[A_CHAT] = partial(run, CHAT, target.chat("Go!", tokens))
    values = await alternate(runs, scale.rounds)
    return [
        Figure(
            SECTION,
            f"a stream that is {name}, processor time of the server",
            "ms",
            False,
            {SUBJECT: values[name], A_CHAT: values[A_CHAT]},
            Budget(1 / 1.3, "at least", of="ratio", peer=A_CHAT),
            note=f"{tokens} tokens; the bound is 1.3 times a chat's",
        )
        for name in bodies
    ]


async def _in_front(servers: Sequence[Server], scale: Scale) -> Figure:
    async def run(server: Server, number: int) -> float:
        body = server.target.response(_QUESTION, _TOKENS)
        count, streams = scale.responses // 4, scale.small_chat_streams
        spent, _ = await cost(server, PATH, body, count, streams)
        return spent

    runs = {server.target.name: partial(run, server) for server in servers}
    for one in runs.values():
        await one(-1)
    return Figure(
        SECTION,
        "in front of another server, stored, processor time",
        "ms",
        False,
        await alternate(runs, scale.rounds),
        note="both call our echo server",
    )


async def _retrieving(targets: Sequence[Target], scale: Scale) -> Figure:
    async def run(target: Target, number: int) -> float:
        async with await Connection.open(target) as connection:
            body = target.response(_QUESTION, _TOKENS)
            id = json.loads(await connection.fetch(PATH, body))["id"]
        return await _rate(target, f"{PATH}/{id}", scale)

    for target in targets:
        await run(target, -1)
    return Figure(
        SECTION,
        "retrieved",
        "responses/s",
        True,
        await alternate({target.name: partial(run, target) for target in targets}, scale.rounds),
        Budget(1000, "at least"),
        note=f"{scale.small_chat_streams} connections; the server on one core",
    )


async def _rate(target: Target, path: str, scale: Scale) -> float:
    """How many times per second the server answers this GET."""

    async def some(connection: Connection) -> None:
        for _ in range(scale.responses // scale.small_chat_streams):
            await connection.fetch(path)

    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(await Connection.open(target))
            for _ in range(scale.small_chat_streams)
        ]
        started = time.perf_counter()
        await asyncio.gather(*(some(connection) for connection in connections))
        return scale.responses / (time.perf_counter() - started)
