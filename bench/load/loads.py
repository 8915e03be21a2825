"""Continuous load, and how much of it was done within a stretch of time."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count, pairwise

from bench.load.client import Connection, Target
from bench.load.prompts import sentence, story

CHAT = "/chat/completions"
EMBEDDINGS = "/embeddings"
BEGIN = 10.0  # seconds at most for the first token of a load
SETTLE = 0.5  # seconds from then to the measured stretch
LEAVING = 0.2  # seconds for a server to notice that its clients left
TIMEOUT = 120.0
EMBEDDED_TEXTS = 4  # in one request


class Load(ABC):
    """Clients of one server, each of which sends one request after the other."""

    def __init__(self, target: Target, clients: int, seed: str) -> None:
        self.target = target
        self._clients = clients
        self._seed = seed
        self._begun = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Clients run inside the context; at its end they disconnect. Raises LoadError."""
        clients = [asyncio.create_task(self._client(number)) for number in range(self._clients)]
        try:
            yield
            self._check(clients)
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    @abstractmethod
    def done(self, begin: float, end: float) -> float:
        """How much was done between two times of `time.perf_counter`."""

    async def begun(self) -> None:
        """Wait until something has been done."""
        await self._begun.wait()

    @abstractmethod
    async def passed(self, end: float) -> None:
        """Wait until everything begun before `end` can be counted."""

    @abstractmethod
    async def _request(self, connection: Connection, seed: str) -> None: ...

    async def _client(self, number: int) -> None:
        async with await Connection.open(self.target) as connection:
            for again in count():
                await self._request(connection, f"{self._seed} {number} {again}")

    def _check(self, clients: Sequence[asyncio.Task[None]]) -> None:
        for client in clients:
            if client.done() and (error := client.exception()):
                raise error


@dataclass
class Answer:
    """One streamed answer: when its chunks arrived, and its tokens if it was completed."""

    arrivals: list[float] = field(default_factory=list)
    tokens: int | None = None


class Chats(Load):
    """Greedy, streamed chats; the work is counted in tokens."""

    def __init__(self, target: Target, clients: int, seed: str, tokens: int) -> None:
        super().__init__(target, clients, seed)
        self._tokens = tokens
        self._everywhere = asyncio.Event()
        self.answers: list[Answer] = []

    def done(self, begin: float, end: float) -> float:
        """An abandoned answer counts as having as many tokens per chunk as the completed ones."""
        ended = [answer for answer in self.answers if answer.tokens is not None and answer.arrivals]
        chunks = sum(len(answer.arrivals) for answer in ended)
        tokens = sum(answer.tokens or 0 for answer in ended)
        inside = sum(begin <= time < end for answer in self.answers for time in answer.arrivals)
        return inside * (tokens / chunks if chunks else 1.0)

    def gaps(self, begin: float, end: float) -> list[float]:
        """The seconds between two chunks of one answer, for all gaps that touch this stretch."""
        return [
            after - before
            for answer in self.answers
            for before, after in pairwise(answer.arrivals)
            if after > begin and before < end
        ]

    async def started(self) -> None:
        """Wait until every client has a token of an answer."""
        await asyncio.wait_for(self._everywhere.wait(), TIMEOUT)

    async def passed(self, end: float) -> None:
        return

    async def _request(self, connection: Connection, seed: str) -> None:
        answer = Answer()
        self.answers.append(answer)
        body = self.target.chat(story(seed), self._tokens)
        reply = await connection.post(CHAT, body, partial(self._on_chunks, answer))
        answer.tokens = reply.completion_tokens

    def _on_chunks(self, answer: Answer, count: int) -> None:
        answer.arrivals += [time.perf_counter()] * count
        self._begun.set()
        if sum(bool(answer.arrivals) for answer in self.answers) >= self._clients:
            self._everywhere.set()


class Embeddings(Load):
    """Requests with some texts each; the work is counted in texts."""

    def __init__(self, target: Target, clients: int, seed: str) -> None:
        super().__init__(target, clients, seed)
        self.requests: list[tuple[float, float]] = []
        self._another = asyncio.Event()

    def done(self, begin: float, end: float) -> float:
        """A request counts with the share of it that lies within the stretch."""
        return EMBEDDED_TEXTS * sum(
            max(0.0, min(end, after) - max(begin, before)) / (after - before)
            for before, after in self.requests
        )

    async def passed(self, end: float) -> None:
        while sum(after >= end for _, after in self.requests) < self._clients:
            self._another.clear()
            await self._another.wait()

    async def _request(self, connection: Connection, seed: str) -> None:
        texts = [sentence(f"{seed} {text}") for text in range(EMBEDDED_TEXTS)]
        begin = time.perf_counter()
        await connection.post(EMBEDDINGS, self.target.embeddings(texts))
        self.requests.append((begin, time.perf_counter()))
        self._another.set()
        self._begun.set()


async def rates(loads: Sequence[Load], seconds: float, begin_within: float = BEGIN) -> list[float]:
    """What each load does per second while all of them run. It is at least half a token or text in
    the whole stretch, so that ratios can be taken. The stretch begins when all have done something,
    or after `begin_within` seconds. Raises LoadError.
    """
    async with asyncio.timeout(TIMEOUT + seconds), AsyncExitStack() as running:
        for load in loads:
            await running.enter_async_context(load.running())
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(load.begun() for load in loads)), begin_within)
        await asyncio.sleep(SETTLE)
        begin = time.perf_counter()
        await asyncio.sleep(seconds)
        end = time.perf_counter()
        for load in loads:
            await load.passed(end)
    await asyncio.sleep(LEAVING)
    return [max(load.done(begin, end), 0.5) / (end - begin) for load in loads]
