"""Fairness between two callers, one of which sends 20 times as many requests.

The slots are held until all requests of both are in the queue. Then the order of the answers is
measured, not their times.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import aiohttp

from bench.load.client import LoadError
from bench.soak.clients import send, session
from bench.soak.mix import CHAT, STREAM, Mix, request
from bench.soak.observe import Counts, wait_for_counts

LIGHT, HEAVY = "light", "heavy"
RATIO = 20
_LONG = 100_000  # tokens; more than the queue takes to fill
_TIMEOUT = 120.0


@dataclass(frozen=True)
class Flood:
    """`light` requests of one caller after RATIO times as many of another."""

    light: int = 20
    slots: int = 8
    tokens: int = 4

    @property
    def fair(self) -> float:
        """The smallest fair share: every second answer, give or take two for each slot."""
        return round(self.light / (2 * self.light + 2 * self.slots), 2)


class Served(NamedTuple):
    """A request that was answered: its caller, and the id that the server gave it."""

    caller: str
    id: str


async def answer_order(url: str, mix: Mix, flood: Flood) -> list[Served]:
    """The requests in the order of their answers. Raises LoadError or aiohttp.ClientError."""
    served: list[Served] = []
    tasks: list[asyncio.Task[None]] = []
    async with session(url) as opened:
        try:
            async with _hold_slots(opened, mix, flood.slots):
                for caller, count in ((HEAVY, RATIO * flood.light), (LIGHT, flood.light)):
                    sending = (
                        _send_one(opened, mix, flood.tokens, caller, served) for _ in range(count)
                    )
                    tasks += map(asyncio.create_task, sending)
                    await _require_counts(url, Counts(running=flood.slots, waiting=len(tasks)))
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
    return served


async def _send_one(
    session: aiohttp.ClientSession, mix: Mix, tokens: int, caller: str, served: list[Served]
) -> None:
    parameters = mix.chat(Random(len(served)), 4, max_tokens=tokens)
    answer = await send(session, request(caller, CHAT, parameters), caller)
    if answer is None or answer.status != 200:
        raise LoadError(f"a request of the {caller} caller was not answered: {answer}")
    served.append(Served(caller, answer.headers["x-request-id"]))


def light_share(order: Sequence[str]) -> float:
    """The light caller's share of the answers, until it had all of its own."""
    last = max(position for position, caller in enumerate(order) if caller == LIGHT)
    return order.count(LIGHT) / (last + 1)


@asynccontextmanager
async def _hold_slots(session: aiohttp.ClientSession, mix: Mix, slots: int) -> AsyncIterator[None]:
    """Hold every slot with one long answer in as many choices, then leave."""
    parameters = mix.chat(Random(1), 4, **STREAM, n=slots, max_tokens=_LONG)
    held = request("holder", CHAT, parameters)
    headers = {"authorization": "Bearer holder", "content-type": "application/json"}
    async with session.post(held.path.removeprefix("/"), data=held.body, headers=headers) as found:
        if found.status != 200:
            raise LoadError(f"the slots could not be held: {await found.text()}")
        yield
        found.close()


async def _require_counts(url: str, expected: Counts) -> None:
    """Wait for these counts. Raises LoadError after two minutes without them."""
    found = await wait_for_counts(url, expected, _TIMEOUT)
    if found != expected:
        raise LoadError(f"{found} instead of {expected} at the model")
