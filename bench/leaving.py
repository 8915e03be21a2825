"""A client that leaves: how long the engine goes on working for nobody.

The server runs in this process, so that the engine behind it can be asked for its slots.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from statistics import median

import uvicorn

from bench.client import Connection, LoadError, Target, post
from bench.figures import SUBJECT, Budget, Figure
from bench.prompts import document, story
from bench.scale import Scale
from bench.text import CHAT, chosen
from openedai.app import create_app
from openedai.cli.serve import _uvicorn_config
from openedai.config import ModelSpec, Settings
from openedai.engines.base import Generator
from openedai.engines.llama_cpp import LlamaCpp, LlamaOptions

SECTION = "leaving"
_PATIENCE = 30.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def measure(model: str | None, scale: Scale) -> list[Figure]:
    spec, _ = chosen(model)
    async with _serving(spec) as (target, engine):
        await post(target, CHAT, target.chat("Hello!", 2))
        return [await _decoding(target, engine, scale), await _prefill(target, engine, spec, scale)]


@asynccontextmanager
async def _serving(spec: ModelSpec) -> AsyncIterator[tuple[Target, LlamaCpp]]:
    settings = Settings(models=(spec,), chat_model=spec.id)
    app = create_app(settings)
    server = _Server(_uvicorn_config(app, settings))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        try:
            target = Target(SUBJECT, f"http://127.0.0.1:{listener.getsockname()[1]}/v1", spec.id)
            async with app.state.services.pool.lease(spec, Generator, "bench") as engine:
                if not isinstance(engine, LlamaCpp):
                    raise LoadError(f"the engine of {spec.id} shows no slots")
                yield target, engine
        finally:
            server.should_exit = True
            await serving


async def _decoding(target: Target, engine: LlamaCpp, scale: Scale) -> Figure:
    times = []
    for number in range(scale.leaving):
        async with await Connection.open(target) as connection:
            connection.send(CHAT, target.chat(story(f"leave {number}"), 2000))
            await connection.first_piece()
            times.append(1000 * await _time_to_free(connection, engine))
    return Figure(
        SECTION,
        "while decoding",
        "ms",
        False,
        {SUBJECT: times},
        Budget(100, "at most", worst=True),
        note="from the connection's end to the engine's free slot",
    )


async def _prefill(target: Target, engine: LlamaCpp, spec: ModelSpec, scale: Scale) -> Figure:
    """In batches: the time is told in the time that a batch of this very prompt takes."""
    words = scale.prefix_words * 2
    whole = [
        await post(target, CHAT, target.chat(document(f"whole {number}", words), 1))
        for number in range(2)
    ]
    size = LlamaOptions(**spec.options).batch
    duration = median(reply.first for reply in whole)
    batch = duration / math.ceil(whole[0].prompt_tokens / size)
    times = []
    for number in range(scale.leaving):
        async with await Connection.open(target) as connection:
            connection.send(CHAT, target.chat(document(f"leave {number}", words), 1))
            await asyncio.sleep(duration * (0.2 + 0.4 * number / scale.leaving))
            times.append(await _time_to_free(connection, engine) / batch)
    return Figure(
        SECTION,
        "in prefill",
        "batches",
        False,
        {SUBJECT: times},
        Budget(1, "at most", worst=True),
        note=f"a batch is {size} tokens and took {1000 * batch:.0f} ms here",
    )


async def _time_to_free(connection: Connection, engine: LlamaCpp) -> float:
    """Seconds from now, when the client leaves, until the engine works on nothing."""
    if not await _busy(engine):
        raise LoadError("the request had ended before its client left")
    left = time.perf_counter()
    connection.leave()
    async with asyncio.timeout(_PATIENCE):
        while await _busy(engine):  # its answer waits for the running batch
            pass
    return time.perf_counter() - left


async def _busy(engine: LlamaCpp) -> bool:
    async with engine._session.get("/slots") as response:
        return any(slot["is_processing"] for slot in await response.json())
