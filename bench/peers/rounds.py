"""The peers in turn, round by round: started, asked, and ended again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import aiohttp

from bench.figures import SUBJECT, Figure, alternate
from bench.load.client import LoadError
from bench.load.prompts import document, story
from bench.peers.systems import Server, System
from bench.processes import resident_bytes, spinning
from bench.scale import Scale
from bench.scoring import perplexity

SECTION = "peers"
FIRST_TOKEN = "first token"
PREFILL = "prefill"
PERPLEXITY = "perplexity"
READY = "time to ready"
MEMORY = "memory"
WARM_UP_TOKENS = 8
FIRST_TOKEN_TOKENS = 16
SETTLE = 0.5  # seconds for a busy process to get its core


@dataclass(frozen=True)
class Started:
    """A running system, and the seconds from its start to the end of its first answer."""

    server: Server
    ready: float


@dataclass(frozen=True)
class Sample:
    """One system in one round: tokens per second for each number of streams, alone and next to a
    busy process, and in prefill; the seconds to the first token with the most streams, and until
    ready; its memory in MB; and the generated share of the requested tokens.
    """

    decode: dict[int, float]
    disturbed: dict[int, float]
    first: float
    prefill: float
    ready: float
    memory: float
    completed: float


@dataclass(frozen=True)
class Outcome:
    """Figures of the systems that were measured in every round, and why others were skipped."""

    figures: list[Figure]
    skipped: dict[str, str]


async def rounds(
    systems: Sequence[System],
    scale: Scale,
    on_progress: Callable[[str], None],
    text: Sequence[Sequence[int]] = (),
) -> Outcome:
    """Measure round by round. A peer that fails is left out of later rounds. `on_progress` is
    called with each step. `text` has the parts of the text, as tokens, on which each system's
    weights are scored.

    Raises LoadError or TimeoutError if our own server fails.
    """
    async with AsyncExitStack() as stack:
        sampler = _Sampler(scale, on_progress, stack)
        runs: dict[str, Callable[[int], Awaitable[Sample | None]]] = {
            system.name: partial(sampler.run, system) for system in systems
        }
        results = await alternate(runs, scale.rounds)
    scored = [system for system in systems if system.name not in sampler.failed]
    perplexities = await score(scored, text, on_progress) if text else {}
    samples = {
        name: [one for one in all_samples if one is not None]
        for name, all_samples in results.items()
        if name not in sampler.failed
    }
    return Outcome(figures(samples, perplexities, scale), sampler.failed)


async def score(
    systems: Sequence[System], text: Sequence[Sequence[int]], on_progress: Callable[[str], None]
) -> dict[str, float]:
    """The perplexity of each system's weights, for systems that can be scored."""
    found = {}
    for system in systems:
        if system.scorer is None:
            continue
        on_progress(f"perplexity: {system.name}")
        try:
            async with system.scorer() as scorer:
                values = [value for part in text for value in await scorer.logprobs(part)]
        except (LoadError, TimeoutError, OSError, aiohttp.ClientError) as error:
            on_progress(f"no perplexity of {system.name}: {error or type(error).__name__}")
        else:
            found[system.name] = perplexity(values)
    return found


class _Sampler:
    """Samples systems. `failed` has the reasons; kept systems run until `stack` ends."""

    def __init__(
        self, scale: Scale, on_progress: Callable[[str], None], stack: AsyncExitStack
    ) -> None:
        self.failed: dict[str, str] = {}
        self._scale = scale
        self._on_progress = on_progress
        self._stack = stack
        self._kept: dict[str, Started] = {}

    async def run(self, system: System, number: int) -> Sample | None:
        if system.name in self.failed:
            return None
        self._on_progress(f"round {number + 1}: {system.name}")
        try:
            async with self._running(system) as started:
                return await sample(started, self._scale, number)
        except (LoadError, TimeoutError, OSError) as error:
            if system.name == SUBJECT:
                raise
            self.failed[system.name] = f"failed: {error or type(error).__name__}"
            return None

    @asynccontextmanager
    async def _running(self, system: System) -> AsyncIterator[Started]:
        opening = start(system, max(self._scale.streams))
        if not system.keep:
            async with opening as started:
                yield started
            return
        if system.name not in self._kept:
            self._kept[system.name] = await self._stack.enter_async_context(opening)
        yield self._kept[system.name]


@asynccontextmanager
async def start(system: System, most: int) -> AsyncIterator[Started]:
    """Start a system, and warm it up for `most` streams."""
    began = time.perf_counter()
    async with system.start() as server:
        await server.generate(["Hello!"], 1)
        ready = time.perf_counter() - began
        await server.generate([story(f"warm {stream}") for stream in range(most)], WARM_UP_TOKENS)
        yield Started(server, ready)


async def sample(started: Started, scale: Scale, number: int) -> Sample:
    server = started.server
    decode, completed = {}, []
    for streams in scale.streams:
        prompts = [story(f"{streams} {number} {stream}") for stream in range(streams)]
        batch = await server.generate(prompts, scale.tokens)
        decode[streams] = batch.completion_tokens / batch.seconds
        completed.append(batch.completion_tokens / (streams * scale.tokens))
    prompts = [story(f"first {number} {stream}") for stream in range(max(scale.streams))]
    first = await server.first_token(prompts, FIRST_TOKEN_TOKENS)
    prompt = await server.generate([document(f"prefill {number}", scale.prefix_words)], 1)
    return Sample(
        decode=decode,
        disturbed=await _disturbed(server, scale, number),
        first=first,
        prefill=prompt.prompt_tokens / prompt.seconds,
        ready=started.ready,
        memory=resident_bytes(server.pid) / 1e6,
        completed=min(completed),
    )


async def _disturbed(server: Server, scale: Scale, number: int) -> dict[int, float]:
    found = {}
    with spinning(1):
        await asyncio.sleep(SETTLE)
        for streams in scale.disturbed_streams:
            prompts = [story(f"disturbed {streams} {number} {one}") for one in range(streams)]
            batch = await server.generate(prompts, scale.disturbed_tokens)
            found[streams] = batch.completion_tokens / batch.seconds
    return found


def figures(
    samples: dict[str, list[Sample]], perplexities: dict[str, float], scale: Scale
) -> list[Figure]:
    """One figure for each column of the table."""

    def figure(
        case: str, unit: str, value: Callable[[Sample], float], note: str, *, higher: bool = True
    ) -> Figure:
        values = {
            name: [value(one) for one in all_samples] for name, all_samples in samples.items()
        }
        return Figure(SECTION, case, unit, higher, values, note=note)

    def decode(streams: int) -> Figure:
        return figure(_streams(streams), "tokens/s", lambda one: one.decode[streams], answers)

    def disturbed(streams: int) -> Figure:
        case = f"{_streams(streams)}, disturbed"
        return figure(case, "tokens/s", lambda one: one.disturbed[streams], beside)

    least = min(one.completed for all_samples in samples.values() for one in all_samples)
    answers = f"{scale.tokens} tokens each at most, greedy; of these {least:.0%} or more were given"
    beside = f"beside one busy process; {scale.disturbed_tokens} tokens each at most"
    most = max(scale.streams)
    waiting = f"the median of {most} chats that begin at once, each with a new short prompt"
    prompt = f"a new prompt of {scale.prefix_words} words, to its first token"
    first = "from the start of the process to the end of the first answer, of one token"
    resident = "resident after the chats, in all of its processes"
    return [
        *map(decode, scale.streams),
        *map(disturbed, scale.disturbed_streams),
        figure(
            f"{FIRST_TOKEN}, {_streams(most)}",
            "ms",
            lambda one: 1000 * one.first,
            waiting,
            higher=False,
        ),
        figure(PREFILL, "tokens/s", lambda one: one.prefill, prompt),
        figure(READY, "s", lambda one: one.ready, first, higher=False),
        figure(MEMORY, "MB", lambda one: one.memory, resident, higher=False),
        Figure(
            SECTION,
            PERPLEXITY,
            "",
            False,
            {name: [value] for name, value in perplexities.items() if name in samples},
            note="of the weights that the system computes with, on parts of the bench's text",
        ),
    ]


def _streams(count: int) -> str:
    return f"{count} stream{'s' if count > 1 else ''}"
