"""Text generation: our endpoint, llama.cpp's own server, and other servers, in turn."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

from msgspec.structs import replace

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.load.client import Reply, Target, post
from bench.load.prompts import document, story
from bench.processes import cpu_seconds
from bench.scale import Scale
from bench.servers import native, openedai
from openedai.catalog import defaults
from openedai.catalog.catalog import Catalog
from openedai.config import ModelSpec, Settings
from openedai.errors import ModelNotFound
from openedai.weights.library import Library

CHAT = "/chat/completions"
NATIVE = "llama.cpp's server"
SECTION = "text"
THROUGHPUT_BOUNDS = {4: 1.25}  # by streams
BOUND = 0.98  # of every other column

T = TypeVar("T")


@asynccontextmanager
async def targets(
    model: str | None, others: Sequence[Target]
) -> AsyncIterator[tuple[list[Target], int]]:
    """Our server, llama.cpp's with the same model, slots and threads, and the others; also the
    process id of ours.
    """
    spec, weights = await local_model(model)
    _, options = measured_model(model)
    key = secrets.token_urlsafe(16)
    async with (
        openedai(options=[*options, "--preload", spec.id]) as (url, pid),
        native(spec, weights, key) as (native_url, _),
    ):
        ours = Target(SUBJECT, url, spec.id)
        found = [ours, Target(NATIVE, native_url, spec.id, key), *others]
        for target in found:
            await post(target, CHAT, target.chat("Hello!", 2))
        yield found, pid


def measured_model(model: str | None) -> tuple[ModelSpec, list[str]]:
    """The text model to measure with, and the flags that make it our server's default."""
    settings = Settings() if model is None else Settings(chat_model=model)
    chat = Catalog(settings).default(defaults.CHAT)
    if chat is None or chat.spec.engine != "llama_cpp":
        raise ModelNotFound(model or "chat_model")
    return chat.spec, ["--chat-model", settings.chat_model]


async def local_model(model: str | None) -> tuple[ModelSpec, Path]:
    """The text model to measure with, as a model of the file with its weights; and that file."""
    spec, _ = measured_model(model)
    weights = await asyncio.to_thread(Library(Settings()).pull, spec)
    if weights is None:
        raise ModelNotFound(spec.id)
    return replace(spec, source=str(weights), requantise="none", aliases=()), weights


async def measure(targets: Sequence[Target], pid: int, scale: Scale) -> list[Figure]:
    """`pid` is the process of our server."""
    figures = [await _throughput(targets, scale, streams) for streams in scale.streams]
    figures.append(await _server_time(targets[0], pid, scale))
    figures.append(await _prefill(targets, scale))
    figures.append(await _repeated_prefix(targets, scale))
    figures.append(await _first_token(targets, scale))
    return figures


async def _throughput(targets: Sequence[Target], scale: Scale, streams: int) -> Figure:
    async def run(target: Target, number: int) -> float:
        started = time.perf_counter()
        tokens = await _chats(target, streams, number, scale)
        return tokens / (time.perf_counter() - started)

    return Figure(
        SECTION,
        f"{streams} stream{'s' if streams > 1 else ''}",
        "tokens/s",
        True,
        await alternate(_each(targets, run), scale.rounds),
        Budget(THROUGHPUT_BOUNDS.get(streams, BOUND), "at least", of="ratio", peer=NATIVE),
        note=f"{scale.tokens} tokens each, greedy",
    )


async def _server_time(ours: Target, pid: int, scale: Scale) -> Figure:
    """The processor time of the server's process; the engine has a separate one."""
    streams = max(scale.streams)

    async def run(number: int) -> float:
        before = cpu_seconds(pid)
        tokens = await _chats(ours, streams, number + scale.rounds, scale)
        return 1000 * (cpu_seconds(pid) - before) / tokens

    return Figure(
        SECTION,
        f"processor time of the server, {streams} streams",
        "ms/token",
        False,
        await alternate({SUBJECT: run}, scale.rounds),
        Budget(0.15, "at most"),
        note="of its own process, without the engine's",
    )


async def _chats(target: Target, streams: int, number: int, scale: Scale) -> int:
    """Run all chats at once. Returns their tokens."""
    bodies = [
        target.chat(story(f"{streams} {number} {stream}"), scale.tokens)
        for stream in range(streams)
    ]
    replies = await asyncio.gather(*(post(target, CHAT, body) for body in bodies))
    return sum(reply.completion_tokens for reply in replies)


async def _prefill(targets: Sequence[Target], scale: Scale) -> Figure:
    async def run(target: Target, number: int) -> Reply:
        text = document(f"prefill {number}", scale.prefix_words)
        return await post(target, CHAT, target.chat(text, 1))

    replies = await alternate(_each(targets, run), scale.rounds)
    tokens = replies[SUBJECT][0].prompt_tokens
    return Figure(
        SECTION,
        "long prefill",
        "tokens/s",
        True,
        {
            name: [reply.prompt_tokens / reply.first for reply in all]
            for name, all in replies.items()
        },
        budget=Budget(BOUND, "at least", of="ratio", peer=NATIVE),
        note=f"{tokens} tokens of prompt, new ones, to the first token",
    )


async def _repeated_prefix(targets: Sequence[Target], scale: Scale) -> Figure:
    async def run(target: Target, number: int) -> list[Reply]:
        prefix = document(f"prefix {number}", scale.prefix_words)
        await post(target, CHAT, target.chat(f"{prefix} Begin.", 1))
        return [
            await post(target, CHAT, target.chat(f"{prefix} {story(str(question))}", 1))
            for question in range(scale.prefix_questions)
        ]

    replies = await alternate(_each(targets, run), scale.rounds)
    last = replies[SUBJECT][0][-1]
    return Figure(
        SECTION,
        "repeated prefix",
        "ms to first token",
        False,
        {
            name: [1000 * median(reply.first for reply in one) for one in all]
            for name, all in replies.items()
        },
        budget=Budget(BOUND, "at least", of="ratio", peer=NATIVE),
        note=f"{last.cached_tokens} of {last.prompt_tokens} tokens of prompt from the cache",
    )


async def _first_token(targets: Sequence[Target], scale: Scale) -> Figure:
    """The time for the same short prompt, which the engine has cached, so that it adds little."""

    async def run(target: Target, number: int) -> float:
        return 1000 * (await post(target, CHAT, target.chat("Tell me a story.", 2))).first

    for target in targets:
        await run(target, -1)
    return Figure(
        SECTION,
        "known prompt",
        "ms to first token",
        False,
        await alternate(_each(targets, run), scale.first_token_requests),
        Budget(5, "at most", of="difference", peer=NATIVE),
        note="the same short prompt again and again, one at a time",
    )


def _each(
    targets: Sequence[Target], run: Callable[[Target, int], Awaitable[T]]
) -> dict[str, Callable[[int], Awaitable[T]]]:
    return {target.name: partial(run, target) for target in targets}
