"""The clients: each asks one request after the other, and every request has one outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from random import Random

import aiohttp

from bench.soak.form import Answer, Malformed, judge
from bench.soak.mix import PATIENCE, Mix, Request

CALLERS = 10
KEPT_ALIVE = 5.0  # seconds; shorter than the server's, so that no request meets a closing one


class Fate(StrEnum):
    ANSWERED = "answered"
    REFUSED = "refused as it should be"
    LEFT = "left by the client"
    MALFORMED = "not as it should be"
    LOST = "lost"


@dataclass(frozen=True)
class Outcome:
    """What became of one request; `why` says what was wrong, if anything was."""

    kind: str
    fate: Fate
    why: str = ""


@dataclass(frozen=True)
class Load:
    """So many clients at once, each for `seconds` or until it has sent `requests`."""

    clients: int = 200
    seconds: float = 600.0
    requests: int = 100_000


@asynccontextmanager
async def session(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """For any number of connections to the API below this URL."""
    async with aiohttp.ClientSession(
        f"{url}/",
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_ALIVE),
        timeout=aiohttp.ClientTimeout(total=None),
    ) as opened:
        yield opened


async def storm(url: str, mix: Mix, load: Load) -> list[Outcome]:
    """All clients at once."""
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
        hasty = request.patience < PATIENCE  # its turn comes soon: nobody else has its key
        caller = f"hasty-{number}-{len(outcomes)}" if hasty else f"client-{number % CALLERS}"
        outcomes.append(await _outcome(session, request, caller))
    return outcomes


async def _outcome(session: aiohttp.ClientSession, request: Request, caller: str) -> Outcome:
    try:
        async with asyncio.timeout(request.patience):
            answer = await ask(session, request, caller)
        if answer is None:
            return Outcome(request.kind, Fate.LEFT)
        judge(request, answer)
    except Malformed as error:
        return Outcome(request.kind, Fate.MALFORMED, str(error))
    except TimeoutError:
        hasty = request.patience < PATIENCE
        return Outcome(request.kind, Fate.LEFT if hasty else Fate.LOST, "no answer in time")
    except aiohttp.ClientError as error:
        return Outcome(request.kind, Fate.LOST, f"{request.kind}: {error!r}")
    return Outcome(request.kind, Fate.REFUSED if request.refusal else Fate.ANSWERED)


async def ask(session: aiohttp.ClientSession, request: Request, caller: str) -> Answer | None:
    """The answer, or None if the client left before its end. Raises aiohttp.ClientError."""
    headers = {"authorization": f"Bearer {caller}", "content-type": "application/json"}
    path = request.path.removeprefix("/")
    async with session.post(path, data=request.body, headers=headers) as response:
        body, pieces = bytearray(), 0
        async for piece in response.content.iter_any():
            body += piece
            pieces += 1
            if pieces == request.pieces and response.status == 200:
                response.close()
                return None
            await asyncio.sleep(request.pause)
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, names, bytes(body))
