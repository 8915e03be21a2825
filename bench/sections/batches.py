"""Batches: their lines per second, compared with a client that sends the same requests, and their
cost.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import aiohttp

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.load.client import Connection, LoadError, Target
from bench.scale import Scale
from bench.servers import openedai

SECTION = "batches"
CLIENT = "a client"
CHAT = "/v1/chat/completions"
_POLL_SECONDS = 0.5  # what is measured includes the requests for the status, and up to one pause
_STREAMS = (8, 16)  # the better one counts


def config(folder: str) -> str:
    return (
        f'data = "{folder}"\nchat_model = "echo"\nembedding_model = "echo"\n'
        'builtin_models = false\n[[models]]\nid = "echo"\nengine = "echo"\n'
    )


async def measure(model: str | None, scale: Scale) -> list[Figure]:
    """On the echo engine, and on a text model: `model`, or the default one."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        echo, _ = await stack.enter_async_context(openedai(config(f"{folder}/echo")))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        target = Target(SUBJECT, echo, "echo")
        await run_batch(session, target, 10, 16)
        figures = [
            await _throughput(session, target, scale, scale.batch_lines, "echo"),
            *[await _cost(session, target, lines, scale) for lines in scale.batch_sizes],
        ]
        text, _ = await stack.enter_async_context(openedai(f'data = "{folder}/text"\n'))
        target = Target(SUBJECT, text, model or "gpt-4o-mini")
        await run_batch(session, target, 4, scale.batch_tokens)
        lines = scale.text_batch_lines
        return [*figures, await _throughput(session, target, scale, lines, "a text model")]


async def _throughput(
    session: aiohttp.ClientSession, target: Target, scale: Scale, lines: int, name: str
) -> Figure:
    async def batch(number: int) -> float:
        return lines / await run_batch(session, target, lines, scale.batch_tokens)

    async def client(number: int) -> float:
        return max([lines / await _send(target, lines, n, scale) for n in _STREAMS])

    return Figure(
        SECTION,
        f"{name}, {lines} requests",
        "requests/s",
        True,
        await alternate({SUBJECT: batch, CLIENT: client}, scale.rounds),
        Budget(0.97, "at least", of="ratio", peer=CLIENT),
        note=f"the client has {' or '.join(map(str, _STREAMS))} connections, whichever is better",
    )


async def _cost(session: aiohttp.ClientSession, target: Target, lines: int, scale: Scale) -> Figure:
    async def run(number: int) -> float:
        return 1000 * await run_batch(session, target, lines, scale.batch_tokens) / lines

    rounds = 1 if lines > scale.batch_lines else scale.rounds
    values = await alternate({SUBJECT: partial(run)}, rounds)
    return Figure(SECTION, f"a line of {lines}", "ms", False, values)


async def run_batch(
    session: aiohttp.ClientSession, target: Target, lines: int, max_tokens: int
) -> float:
    """The seconds from the creation of a batch to its end."""
    requests = [
        {
            "custom_id": str(number),
            "method": "POST",
            "url": CHAT,
            "body": json.loads(target.chat(_question(number), max_tokens, stream=False)),
        }
        for number in range(lines)
    ]
    form = aiohttp.FormData({"purpose": "batch"})
    form.add_field("file", "\n".join(map(json.dumps, requests)), filename="bench.jsonl")
    file = await _answer(session.post(f"{target.url}/files", data=form))
    started = time.perf_counter()
    body = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
    batch = await _answer(session.post(f"{target.url}/batches", json=body))
    while batch["status"] != "completed":
        if batch["status"] in ("failed", "expired", "cancelled"):
            raise LoadError(f"the batch is {batch['status']}: {batch['errors']}")
        await asyncio.sleep(_POLL_SECONDS)
        batch = await _answer(session.get(f"{target.url}/batches/{batch['id']}"))
    if batch["request_counts"]["completed"] != lines:
        raise LoadError(f"not every line was answered: {batch['request_counts']}")
    return time.perf_counter() - started


async def _send(target: Target, lines: int, streams: int, scale: Scale) -> float:
    """The seconds until a client with this many connections has all answers."""
    numbers = iter(range(lines))

    async def some(connection: Connection) -> None:
        for number in numbers:
            body = target.chat(_question(number), scale.batch_tokens, stream=False)
            await connection.post("/chat/completions", body)

    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(await Connection.open(target)) for _ in range(streams)
        ]
        started = time.perf_counter()
        await asyncio.gather(*(some(connection) for connection in connections))
        return time.perf_counter() - started


def _question(number: int) -> str:
    return f"What is {number} and one?"


async def _answer(request: Any) -> Any:
    async with request as response:
        if response.status != 200:
            raise LoadError(f"{response.status}: {await response.text()}")
        return await response.json()
