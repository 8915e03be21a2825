"""A client that disconnects: how long the engine goes on, as seen by the next client.

The model has one slot. The next client asks as soon as the first one has left. The engine went on
for as long as the next client's first token is delayed, compared with nobody before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from statistics import median

from bench.figures import SUBJECT, Budget, Figure
from bench.load.client import Connection, Target, post
from bench.load.prompts import document, story
from bench.scale import Scale
from bench.sections.text import CHAT, local_model
from bench.servers import model_table, openedai

SECTION = "leaving"
KNOWN = "Tell me a story."


async def measure(model: str | None, scale: Scale) -> list[Figure]:
    async with _serving(model) as target:
        alone = median([await _alone(target, number) for number in range(scale.leaving)])
        decoding = [await _decoding(target, number) for number in range(scale.leaving)]
        prompt = document("not left", 2 * scale.prefix_words)
        seconds = (await post(target, CHAT, target.chat(prompt, 1))).first
        prefill = [
            await _prefill(target, document(f"left {one}", 2 * scale.prefix_words), leave)
            for one, leave in enumerate(moments(seconds, scale.leaving))
        ]
    return figures(alone, decoding, prefill)


def moments(seconds: float, count: int) -> list[float]:
    """When clients leave during a prefill of this many seconds: evenly spread, but not at its
    end.
    """
    return [seconds * (number + 0.5) / (count + 1) for number in range(count)]


def figures(alone: float, decoding: Sequence[float], prefill: Sequence[float]) -> list[Figure]:
    """The figures from the seconds to the next client's first token, without anybody before it and
    after a client that left.
    """

    def figure(case: str, found: Sequence[float], bound: float, note: str) -> Figure:
        values = [1000 * max(0.0, seconds - alone) for seconds in found]
        budget = Budget(bound, "at most", worst=True)
        return Figure(SECTION, case, "ms", False, {SUBJECT: values}, budget, note=note)

    after = f"how much later the next client has its first token, {1000 * alone:.0f} ms alone"
    return [
        figure("while decoding", decoding, 100, after),
        figure("in prefill", prefill, 300, "the same; each client left at another moment"),
    ]


@asynccontextmanager
async def _serving(model: str | None) -> AsyncIterator[Target]:
    spec, _ = await local_model(model)
    config = f'chat_model = "{spec.id}"\n{model_table(spec, slots=1)}'
    async with openedai(config) as (url, _):
        target = Target(SUBJECT, url, spec.id)
        await post(target, CHAT, target.chat(KNOWN, 2))
        yield target


async def _alone(target: Target, number: int) -> float:
    """The time after a client that did not leave, whose prompt the slot has."""
    await post(target, CHAT, target.chat(story(f"before {number}"), 2))
    return await _next(target)


async def _decoding(target: Target, number: int) -> float:
    async with await Connection.open(target) as connection:
        connection.send(CHAT, target.chat(story(f"leave {number}"), 2000))
        await connection.first_chunk()
        connection.abort()
        return await _next(target)


async def _prefill(target: Target, prompt: str, leave: float) -> float:
    async with await Connection.open(target) as connection:
        connection.send(CHAT, target.chat(prompt, 1))
        await asyncio.sleep(leave)
        connection.abort()
        return await _next(target)


async def _next(target: Target) -> float:
    return (await post(target, CHAT, target.chat(KNOWN, 2))).first
