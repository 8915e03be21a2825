"""Searches in indexes of vectors and texts, ours and others', each in a separate process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.json_child import ANSWER_TIMEOUT, child
from bench.scale import Scale
from bench.sections.vector_stores.inputs import DIMENSIONS, queries, write_inputs
from bench.sections.vector_stores.search_peer import BOTH, MEANING, SPARING

SECTION = "vector-stores"
CHROMA, OGX = "Chroma", "OGX"
SPARINGLY = "openedai, sparing"
SCRIPT = Path(__file__).with_name("search_peer.py")
# Milliseconds of processor time of a search, by the chunks of the store.
BOUNDS = {20_000: 20.0, 100_000: 60.0}
_FIRST_SECONDS = 2.0
_MOST_MEGABYTES = 200.0  # in memory while a store of any size is searched sparingly
# A search of OGX takes seconds, and the peers' indexes of many chunks half an hour to make.
_SEARCHING_SECONDS = 15.0
_MAKING_SECONDS = 3600.0
# No round begins later than this after the first one.
_ROUNDS_SECONDS = 180.0
# The processor time is then that of one core.
_ONE_THREAD = {
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"), "1"),
    "OGX_LOGGING": "all=error",
}

Answer = dict[str, Any]


async def searches(
    count: int,
    scale: Scale,
    folder: Path,
    pythons: Mapping[str, Path] | None = None,
    versions: dict[str, str] | None = None,
) -> list[Figure]:
    """Of a store of `count` chunks. `pythons` are interpreters that have the peers, by their names;
    their versions are added to `versions`. The indexes are in `folder`, and are made before
    anything is measured if they are not there.
    """
    await asyncio.to_thread(write_inputs, folder / "inputs", count)
    systems: dict[str, Path] = {SUBJECT: Path(sys.executable), **(pythons or {})}
    for system, python in systems.items():
        question = {"inputs": f"{folder}/inputs"}
        found = await _ask(system, python, folder, question, _MAKING_SECONDS)
        if versions is not None:
            versions.update(found)

    def run(system: str, way: str) -> Callable[[int], Awaitable[Answer]]:
        return partial(_round, system, systems[system], folder, way, scale)

    both = {system: run(system, BOTH) for system in systems if system != CHROMA}
    both[SPARINGLY] = run(SUBJECT, SPARING)
    meaning = {system: run(system, MEANING) for system in systems}
    return [
        *_both(count, await alternate(both, scale.rounds, _ROUNDS_SECONDS)),
        *_meaning(count, await alternate(meaning, scale.rounds, _ROUNDS_SECONDS)),
    ]


def _both(count: int, found: Mapping[str, list[Answer]]) -> list[Figure]:
    sparing = found[SPARINGLY]
    whole = {system: answers for system, answers in found.items() if system != SPARINGLY}
    bound = BOUNDS.get(count)
    return [
        _figure(
            f"search of {count} chunks, processor time",
            *("ms", "milliseconds", whole),
            Budget(bound, "at most") if bound else None,
        ),
        _figure(
            f"first search of {count} chunks",
            *("s", "first", whole),
            Budget(_FIRST_SECONDS, "at most"),
        ),
        _figure(f"memory of a process that searches {count} chunks", "MB", "memory", whole),
        _figure(
            f"the same with `vector_memory` below the {4 * DIMENSIONS * count / 1e6:.0f} MB",
            *("MB", "memory", {SUBJECT: sparing}),
            Budget(_MOST_MEGABYTES, "at most"),
        ),
    ]


def _meaning(count: int, found: Mapping[str, list[Answer]]) -> list[Figure]:
    what = f"search of {count} chunks by meaning alone"
    return [
        _figure(f"{what}, processor time", "ms", "milliseconds", found),
        _figure(f"first {what}", "s", "first", found),
    ]


def _figure(
    case: str,
    unit: str,
    member: str,
    found: Mapping[str, list[Answer]],
    budget: Budget | None = None,
) -> Figure:
    scale = 1e-6 if member == "memory" else 1.0
    values = {
        system: [scale * answer[member] for answer in answers] for system, answers in found.items()
    }
    return Figure(SECTION, case, unit, False, values, budget)


async def _round(
    system: str, python: Path, folder: Path, way: str, scale: Scale, number: int
) -> Answer:
    searched = queries(scale.store_searches, number)
    question = {"queries": searched, "way": way, "seconds": _SEARCHING_SECONDS}
    return await _ask(system, python, folder, question, ANSWER_TIMEOUT)


async def _ask(system: str, python: Path, folder: Path, question: object, timeout: float) -> Answer:
    """Ask in a separate process, so that nothing of the index is open yet."""
    command: list[str | Path] = [python, SCRIPT, system, folder / system]
    async with child(system, command, _ONE_THREAD) as process:
        return await process.ask(question, timeout)
