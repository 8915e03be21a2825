"""A client that disconnects: how long the engine goes on.

The server runs in this process, so that the engine behind it can be asked for its slots.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from statistics import median

import uvicorn

from bench.client import Connection, LoadError, Target, post
from bench.figures import SUBJECT, Budget, Figure
from bench.prompts import document, story
from bench.scale import Scale
from bench.sections.text import CHAT, measured_model
from openedai.app import create_app
from openedai.cli.serve import uvicorn_config
from openedai.config import ModelSpec, Settings
from openedai.contract.engine import Generator
from openedai.engines.llama_cpp.engine import LlamaCpp

SECTION = "leaving"
_TIMEOUT = 60.0
_PAUSE = 0.004  # between two looks: the looking takes time of the engine's cores


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def measure(model: str | None, scale: Scale) -> list[Figure]:
    spec, _ = measured_model(model)
    async with _serving(spec) as (target, engine):
        await post(target, CHAT, target.chat("Hello!", 2))
        return [await _decoding(target, engine, scale), await _prefill(target, engine, scale)]


@asynccontextmanager
async def _serving(spec: ModelSpec) -> AsyncIterator[tuple[Target, LlamaCpp]]:
    settings = Settings(models=(spec,), chat_model=spec.id)
    app = create_app(settings)
    server = _Server(uvicorn_config(app, settings))
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
            await connection.first_chunk()
            times.append(1000 * await _seconds_until_idle(connection, engine))
    return Figure(
        SECTION,
        "while decoding",
        "ms",
        False,
        {SUBJECT: times},
        Budget(100, "at most", worst=True),
        note="from the connection's end to the engine's free slot",
    )


async def _prefill(target: Target, engine: LlamaCpp, scale: Scale) -> Figure:
    """In batches: each client leaves at another time in a batch, and the batch before it is the
    measure of how long it goes on.
    """
    times, durations = [], []
    for number in range(scale.leaving):
        async with await Connection.open(target) as connection:
            text = document(f"leave {number}", scale.prefix_words * 2)
            connection.send(CHAT, target.chat(text, 1))
            for _ in range(2):  # the first may have begun before it was seen
                await _next_batch(engine)
            started = time.perf_counter()
            await _next_batch(engine)
            batch = time.perf_counter() - started
            await asyncio.sleep(batch * number / scale.leaving)
            times.append(await _seconds_until_idle(connection, engine) / batch)
            durations.append(batch)
    return Figure(
        SECTION,
        "in prefill",
        "batches",
        False,
        {SUBJECT: times},
        Budget(1, "at most", worst=True),
        note=f"a batch took {1000 * median(durations):.0f} ms",
    )


async def _seconds_until_idle(connection: Connection, engine: LlamaCpp) -> float:
    """Seconds from now, when the client leaves, until the engine works on nothing."""
    if not await _busy_slots(engine):
        raise LoadError("the request had ended before its client left")
    disconnected = time.perf_counter()
    connection.abort()
    async for busy in _poll_slots(engine):
        if not busy:
            break
    return time.perf_counter() - disconnected


async def _next_batch(engine: LlamaCpp) -> None:
    """Wait until the engine begins with another batch of the prompt."""
    before = await _busy_slots(engine)
    async for busy in _poll_slots(engine):
        if busy and busy != before:
            break


async def _poll_slots(engine: LlamaCpp) -> AsyncGenerator[list[int], None]:
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        yield await _busy_slots(engine)
        await asyncio.sleep(_PAUSE)
    raise LoadError(f"nothing changed in the engine's slots for {_TIMEOUT:.0f} seconds")


async def _busy_slots(engine: LlamaCpp) -> list[int]:
    """The prompt tokens that were taken up so far, for each busy slot."""
    slots = await engine.api.call("GET", "/slots")
    return [slot["n_prompt_tokens_processed"] for slot in slots if slot["is_processing"]]
