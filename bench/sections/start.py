"""The start: from the beginning of a process to its first answer, compared with llama.cpp's own
server.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.load.client import Target, post
from bench.processes import family_cpu_seconds, resident_bytes
from bench.scale import Scale
from bench.sections.text import CHAT, NATIVE, local_model, measured_model
from bench.servers import native, openedai

SECTION = "start"
NATIVE_DEFAULTS = f"{NATIVE}, its defaults"
PRELOADED = "this server with --preload default"

Start = Callable[[], AbstractAsyncContextManager[tuple[str, int]]]


@dataclass(frozen=True)
class Sample:
    """Up to the end of the first answer: seconds, processor seconds of all processes, and the MB
    that they then use.
    """

    seconds: float
    processor: float
    memory: float


async def measure(model: str | None, scale: Scale) -> list[Figure]:
    """The weights are in the cache of the files, and every system was started before."""
    _, options = measured_model(model)
    spec, weights = await local_model(model)
    starts: dict[str, Start] = {
        SUBJECT: lambda: openedai(options=options),
        PRELOADED: lambda: openedai(options=[*options, "--preload", "default"]),
        NATIVE: lambda: native(spec, weights),
        NATIVE_DEFAULTS: lambda: native(spec, weights, defaults=True),
    }
    runs = {name: partial(_sample, start, spec.id) for name, start in starts.items()}
    for run in runs.values():
        await run(-1)
    return figures(await alternate(runs, scale.starts))


async def _sample(start: Start, model: str, number: int) -> Sample:
    began = time.perf_counter()
    async with start() as (url, pid):
        target = Target(SUBJECT, url, model)
        await post(target, CHAT, target.chat("Hello!", 1))
        seconds = time.perf_counter() - began
        return Sample(seconds, family_cpu_seconds(pid), resident_bytes(pid) / 1e6)


def figures(samples: dict[str, list[Sample]]) -> list[Figure]:
    def figure(case: str, unit: str, value: Callable[[Sample], float], note: str) -> Figure:
        values = {name: [value(one) for one in found] for name, found in samples.items()}
        bounded = Budget(1, "at least", of="ratio", peer=NATIVE) if unit == "s" else None
        return Figure(SECTION, case, unit, False, values, bounded, note=note)

    return [
        figure(
            "first answer",
            "s",
            lambda one: one.seconds,
            "from the start of the process to the end of an answer of one token; llama.cpp's "
            "server without fitting and warm-up, and with its defaults",
        ),
        figure(
            "processor time to the first answer",
            "CPU s",
            lambda one: one.processor,
            "of all its processes, on all cores",
        ),
        figure("memory after it", "MB", lambda one: one.memory, "resident, of all its processes"),
    ]
