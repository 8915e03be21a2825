"""The server with nothing to do: how soon it is there, and how much memory it takes."""

from __future__ import annotations

import time

import psutil

from bench.figures import SUBJECT, Budget, Figure
from bench.scale import Scale
from bench.servers import openedai

SECTION = "idle"


async def measure(scale: Scale) -> list[Figure]:
    """`openedai serve --no-pull`, with its built-in models, none of them loaded."""
    seconds, memory = [], []
    for _ in range(scale.starts):
        started = time.perf_counter()
        async with openedai() as (_, pid):
            seconds.append(time.perf_counter() - started)
            memory.append(resident_bytes(pid) / 1e6)
    return [
        Figure(
            SECTION,
            "time to ready",
            "s",
            False,
            {SUBJECT: seconds},
            Budget(1.5, "at most"),
            note="from its start to the first 200 of /health",
        ),
        Figure(
            SECTION,
            "resident memory",
            "MB",
            False,
            {SUBJECT: memory},
            Budget(90, "at most"),
            note="no model loaded; its process and all below it",
        ),
    ]


def resident_bytes(pid: int) -> int:
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(int(member.memory_info().rss) for member in family)
