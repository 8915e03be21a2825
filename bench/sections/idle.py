"""The idle server: how soon it is ready, and what it uses."""

from __future__ import annotations

import time

from bench.figures import SUBJECT, Budget, Figure
from bench.processes import family_cpu_seconds, resident_bytes
from bench.scale import Scale
from bench.servers import openedai

SECTION = "idle"


async def measure(scale: Scale) -> list[Figure]:
    """`openedai serve --no-pull`, with its built-in models, none of them loaded."""
    seconds, processor, memory = [], [], []
    for _ in range(scale.starts):
        started = time.perf_counter()
        async with openedai() as (_, pid):
            seconds.append(time.perf_counter() - started)
            processor.append(family_cpu_seconds(pid))
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
            "processor time to ready",
            "s",
            False,
            {SUBJECT: processor},
            Budget(0.45, "at most"),
            note="of its process and all below it, on one core",
        ),
        Figure(
            SECTION,
            "resident memory",
            "MB",
            False,
            {SUBJECT: memory},
            Budget(60, "at most"),
            note="no model loaded; its process and all below it",
        ),
    ]
