"""The peers in turn, round by round: started, asked, and ended again."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from bench.client import LoadError
from bench.figures import SUBJECT, Figure, alternate
from bench.peers.systems import Server, System
from bench.processes import resident_bytes
from bench.prompts import document, story
from bench.scale import Scale

SECTION = "peers"
PREFILL = "prefill"
READY = "time to ready"
MEMORY = "memory"
WARM_UP_TOKENS = 8


@dataclass(frozen=True)
class Started:
    """A running system, and the seconds from its start to the end of its first answer."""

    server: Server
    ready: float


@dataclass(frozen=True)
class Sample:
    """One system in one round: tokens per second for each number of streams and in prefill,
    the seconds of its start, its memory in MB, and the generated share of the requested tokens.
    """

    decode: dict[int, float]
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
    systems: Sequence[System], scale: Scale, on_progress: Callable[[str], None]
) -> Outcome:
    """A peer that fails is left out of later rounds. `on_progress` is called with each step.

    Raises LoadError or TimeoutError if our own server fails.
    """
    async with AsyncExitStack() as stack:
        sampler = _Sampler(scale, on_progress, stack)
        runs: dict[str, Callable[[int], Awaitable[Sample | None]]] = {
            system.name: partial(sampler.run, system) for system in systems
        }
        results = await alternate(runs, scale.rounds)
    samples = {
        name: [one for one in all_samples if one is not None]
        for name, all_samples in results.items()
        if name not in sampler.failed
    }
    return Outcome(figures(samples, scale), sampler.failed)


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
    """Ready, and warm for `most` streams."""
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
    prompt = await server.generate([document(f"prefill {number}", scale.prefix_words)], 1)
    return Sample(
        decode=decode,
        prefill=prompt.prompt_tokens / prompt.seconds,
        ready=started.ready,
        memory=resident_bytes(server.pid) / 1e6,
        completed=min(completed),
    )


def figures(samples: dict[str, list[Sample]], scale: Scale) -> list[Figure]:
    """One for each column of the table."""

    def figure(
        case: str, unit: str, value: Callable[[Sample], float], note: str, *, higher: bool = True
    ) -> Figure:
        values = {
            name: [value(one) for one in all_samples] for name, all_samples in samples.items()
        }
        return Figure(SECTION, case, unit, higher, values, note=note)

    def decode(streams: int) -> Figure:
        case = f"{streams} stream{'s' if streams > 1 else ''}"
        return figure(case, "tokens/s", lambda one: one.decode[streams], answers)

    least = min(one.completed for all_samples in samples.values() for one in all_samples)
    answers = f"{scale.tokens} tokens each at most, greedy; of these {least:.0%} or more were given"
    prompt = f"a new prompt of {scale.prefix_words} words, to its first token"
    first = "from the start of the process to the end of the first answer, of one token"
    resident = "resident after the chats, in all of its processes"
    return [
        *map(decode, scale.streams),
        figure(PREFILL, "tokens/s", lambda one: one.prefill, prompt),
        figure(READY, "s", lambda one: one.ready, first, higher=False),
        figure(MEMORY, "MB", lambda one: one.memory, resident, higher=False),
    ]
