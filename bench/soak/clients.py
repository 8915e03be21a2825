"""Clients that each send one request after the other; every request has one outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from random import Random

import aiohttp

from bench.soak.mix import Mix, Request
from bench.soak.validate import Answer, Malformed, validate

CALLERS = 10
KEEPALIVE_TIMEOUT = 5.0  # seconds; shorter than the server's, which must not close first


class Result(StrEnum):
    ANSWERED = "answered"
    REFUSED = "refused as it should be"
    DISCONNECTED = "left by the client"
    MALFORMED = "not as it should be"
    LOST = "lost"


@dataclass(frozen=True)
class Outcome:
    """The result of one request; `reason` is empty if it is as expected."""

    kind: str
    result: Result
    reason: str = ""


@dataclass(frozen=True)
class Load:
    """`clients` concurrent clients, each for `seconds` or until it has sent `requests`."""

    clients: int = 200
    seconds: float = 600.0
    requests: int = 100_000


@asynccontextmanager
async def session(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A session without a limit of connections, for the API at this URL."""
    async with aiohttp.ClientSession(
        f"{url}/",
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_TIMEOUT),
        timeout=aiohttp.ClientTimeout(total=None),
    ) as opened:
        yield opened


async def run_clients(url: str, mix: Mix, load: Load) -> list[Outcome]:
    """Run all clients concurrently. Returns every outcome."""
    async with session(url) as opened:
        clients = (_client(opened, number, mix, load) for number in range(load.clients))
        return [outcome for found in await asyncio.gather(*clients) for outcome in found]


async def _client(
    session: aiohttp.ClientSession, number: int, mix: Mix, load: Load
) -> Sequence[Outcome]:
    random = Random(number)
    end = time.monotonic() + load.seconds
    outcomes: list[Outcome] = []
    while len(outcomes) < load.requests and time.monotonic() < end:
        request = mix.draw(random)
        caller = f"client-{number % CALLERS}"
        if request.disconnects_early:  # its own key, so that it is served soon
            caller = f"early-{number}-{len(outcomes)}"
        outcomes.append(await _outcome(session, request, caller))
    return outcomes


async def _outcome(session: aiohttp.ClientSession, request: Request, caller: str) -> Outcome:
    try:
        async with asyncio.timeout(request.patience):
            answer = await send(session, request, caller)
        if answer is None:
            return Outcome(request.kind, Result.DISCONNECTED)
        validate(request, answer)
    except Malformed as error:
        return Outcome(request.kind, Result.MALFORMED, str(error))
    except TimeoutError:
        result = Result.DISCONNECTED if request.disconnects_early else Result.LOST
        return Outcome(request.kind, result, "no answer in time")
    except aiohttp.ClientError as error:
        return Outcome(request.kind, Result.LOST, f"{request.kind}: {error!r}")
    return Outcome(request.kind, Result.REFUSED if request.refusal else Result.ANSWERED)


async def send(session: aiohttp.ClientSession, request: Request, caller: str) -> Answer | None:
    """The answer, or None if the client left before its end. Raises aiohttp.ClientError."""
    headers = {"authorization": f"Bearer {caller}", "content-type": "application/json"}
    path = request.path.removeprefix("/")
    async with session.post(path, data=request.body, headers=headers) as response:
        body, chunks = bytearray(), 0
        async for chunk in response.content.iter_any():
            body += chunk
            chunks += 1
            if chunks == request.max_chunks and response.status == 200:
                response.close()
                return None
            await asyncio.sleep(request.pause)
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, names, bytes(body))
