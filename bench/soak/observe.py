"""The server, observed from outside: its own counts, its memory, its open files, its processes."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

MIB = 1 << 20


class Counts(NamedTuple):
    """The busy slots and waiting requests of all models."""

    running: int
    waiting: int


IDLE = Counts(running=0, waiting=0)


@dataclass
class Memory:
    """Resident memory in MiB, one entry for each sample."""

    server: list[float] = field(default_factory=list)
    engine: list[float] = field(default_factory=list)


async def _metrics(url: str) -> dict[str, dict[str, float]]:
    """Every sample, by the name of its metric and the text of its labels; `url` is that of the
    API.
    """
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url.removesuffix('/v1')}/metrics") as answer,
    ):
        text = await answer.text()
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(sample.labels.values())
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


async def counts(url: str) -> Counts:
    found = await _metrics(url)
    return Counts(*(int(sum(found[f"openedai_model_{what}"].values())) for what in Counts._fields))


async def wait_for_counts(url: str, expected: Counts, timeout: float = 60.0) -> Counts:
    """Wait until the counts are as `expected`, for at most `timeout` seconds. Returns the last
    counts.
    """
    end = time.monotonic() + timeout
    while True:
        found = await counts(url)
        if found == expected or time.monotonic() > end:
            return found
        await asyncio.sleep(0.02)


async def server_errors(url: str) -> int:
    """How many requests ended with a 5xx, according to the server."""
    found = (await _metrics(url)).get("openedai_requests_total", {})
    return int(sum(n for labels, n in found.items() if labels.rpartition(",")[2][0] == "5"))


def process_tree(pid: int) -> list[psutil.Process]:
    """The server, then its children."""
    server = psutil.Process(pid)
    return [server, *server.children(recursive=True)]


def open_files(pid: int) -> int:
    """How many files, pipes and sockets the server and its children have open.

    The database's files are left out: each thread opens its own connection on first use.
    """
    return sum(
        process.num_fds() - sum(".db" in Path(file.path).suffix for file in process.open_files())
        for process in process_tree(pid)
    )


def count_running(processes: Sequence[psutil.Process]) -> int:
    """How many of the processes are still running after at most five seconds."""
    _, alive = psutil.wait_procs(processes, timeout=5)
    return len(alive)


@asynccontextmanager
async def sampled_memory(pid: int) -> AsyncIterator[Memory]:
    """Sample the memory every second inside the context."""
    memory = Memory()
    sampler = asyncio.create_task(_sample(pid, memory))
    try:
        yield memory
    finally:
        sampler.cancel()


async def _sample(pid: int, memory: Memory) -> None:
    while True:
        with suppress(psutil.NoSuchProcess):  # an engine that died: its requests show that
            server, *children = process_tree(pid)
            engine = sum(child.memory_info().rss for child in children) / MIB
            memory.server.append(server.memory_info().rss / MIB)
            memory.engine.append(engine)
        await asyncio.sleep(1)


def growth(samples: Sequence[float]) -> float:
    """The median of the last third as a multiple of the median of the second; NaN for too few
    samples.
    """
    third = len(samples) // 3
    if not third:
        return math.nan
    return median(samples[2 * third :]) / median(samples[third : 2 * third])
