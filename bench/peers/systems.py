"""The measured systems: how each is started, and how it generates a batch of chats."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import aiohttp

from bench.figures import SUBJECT
from bench.json_child import Child, child
from bench.load.client import LoadError, Reply, Target, post
from bench.peers.table import Peer
from bench.peers.weights import OFFLINE
from bench.scoring import ChildScorer, EchoScorer, ForcedScorer, Scorer
from bench.servers import free_port, openedai, process

CHAT = "/chat/completions"
SERVER_SCORERS: Mapping[str, Callable[[aiohttp.ClientSession, Target], Scorer]] = {
    "echo": EchoScorer,
    "forced": ForcedScorer,
}
START_TIMEOUT = 400.0  # seconds for the slowest start


@dataclass(frozen=True)
class Batch:
    """The tokens of all its chats, as the system itself counts them, and the total seconds."""

    prompt_tokens: int
    completion_tokens: int
    seconds: float


class Server(ABC):
    """A running system; `pid` is its process, which includes those below it."""

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self.pid = pid

    async def generate(self, prompts: Sequence[str], tokens: int) -> Batch:
        """Run a greedy chat for each prompt, all at once, each of at most `tokens` tokens. Raises
        LoadError.
        """
        started = time.perf_counter()
        prompt_tokens, completion_tokens = await self._generate(prompts, tokens)
        seconds = time.perf_counter() - started
        if not prompt_tokens or not completion_tokens:
            raise LoadError(f"{self.name} counted no tokens")
        return Batch(prompt_tokens, completion_tokens, seconds)

    @abstractmethod
    async def first_token(self, prompts: Sequence[str], tokens: int) -> float:
        """The median seconds to the first token in such chats, or as the system itself measures it.
        Raises LoadError.
        """

    @abstractmethod
    async def _generate(self, prompts: Sequence[str], tokens: int) -> tuple[int, int]:
        """The tokens of all prompts, and those of all answers."""


class HttpServer(Server):
    def __init__(self, target: Target, pid: int, *, usage: bool = True) -> None:
        super().__init__(target.name, pid)
        self.target = target
        self._usage = usage

    async def first_token(self, prompts: Sequence[str], tokens: int) -> float:
        replies = await self._chats(prompts, tokens, stream=True)
        return median(reply.first for reply in replies)

    async def _generate(self, prompts: Sequence[str], tokens: int) -> tuple[int, int]:
        replies = await self._chats(prompts, tokens, stream=self._usage)
        return (
            sum(reply.prompt_tokens for reply in replies),
            sum(reply.completion_tokens for reply in replies),
        )

    async def _chats(self, prompts: Sequence[str], tokens: int, *, stream: bool) -> list[Reply]:
        bodies = [self.target.chat(prompt, tokens, stream=stream) for prompt in prompts]
        return await asyncio.gather(*(post(self.target, CHAT, body) for body in bodies))


class JsonLinesServer(Server):
    def __init__(self, name: str, child: Child) -> None:
        super().__init__(name, child.pid)
        self._child = child

    async def first_token(self, prompts: Sequence[str], tokens: int) -> float:
        return float((await self._ask(prompts, tokens))["first"])

    async def _generate(self, prompts: Sequence[str], tokens: int) -> tuple[int, int]:
        answer = await self._ask(prompts, tokens)
        return answer["prompt_tokens"], answer["completion_tokens"]

    async def _ask(self, prompts: Sequence[str], tokens: int) -> dict[str, Any]:
        return await self._child.ask({"prompts": list(prompts), "tokens": tokens})


@dataclass(frozen=True)
class System:
    """A measured system. With `keep` it is started once for all rounds. `scorer` scores a text with
    its weights; None if this is not possible.
    """

    name: str
    start: Callable[[], AbstractAsyncContextManager[Server]]
    keep: bool = False
    scorer: Callable[[], AbstractAsyncContextManager[Scorer]] | None = None


def subject(model: str, options: Sequence[str]) -> System:
    """Our server with its default settings and these flags."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Server]:
        async with openedai(options=options) as (url, pid):
            yield HttpServer(Target(SUBJECT, url, model), pid)

    return System(SUBJECT, start, scorer=partial(_server_scorer, start, EchoScorer))


def system(peer: Peer, values: Mapping[str, object]) -> System:
    """`values` fill in the braces of the peer's table, the port excepted."""
    start = partial(_start_http if peer.speaks == "http" else _start_json_lines, peer, values)
    scorer: Callable[[], AbstractAsyncContextManager[Scorer]] | None = None
    if peer.score in SERVER_SCORERS:
        scorer = partial(_server_scorer, start, SERVER_SCORERS[peer.score])
    elif peer.score:
        scorer = partial(_child_scorer, peer, values)
    return System(peer.name, start, peer.keep, scorer)


@asynccontextmanager
async def _server_scorer(
    start: Callable[[], AbstractAsyncContextManager[Server]],
    kind: Callable[[aiohttp.ClientSession, Target], Scorer],
) -> AsyncIterator[Scorer]:
    async with start() as server, aiohttp.ClientSession() as session:
        assert isinstance(server, HttpServer)
        yield kind(session, server.target)


@asynccontextmanager
async def _child_scorer(peer: Peer, values: Mapping[str, object]) -> AsyncIterator[Scorer]:
    async with child(peer.name, peer.scorer(values), OFFLINE | peer.environ(values)) as running:
        yield ChildScorer(running)


@asynccontextmanager
async def _start_http(peer: Peer, values: Mapping[str, object]) -> AsyncIterator[Server]:
    port = free_port()
    async with process(
        peer.command({**values, "port": port}),
        port,
        name=peer.name,
        health=peer.health,
        environment=OFFLINE | peer.environ(values),
        timeout=START_TIMEOUT,
    ) as pid:
        target = Target(peer.name, f"http://127.0.0.1:{port}/v1", peer.model_name(values))
        yield HttpServer(target, pid, usage=peer.usage)


@asynccontextmanager
async def _start_json_lines(peer: Peer, values: Mapping[str, object]) -> AsyncIterator[Server]:
    command = peer.command(values)
    async with child(peer.name, command, OFFLINE | peer.environ(values)) as running:
        yield JsonLinesServer(peer.name, running)
