"""Vector stores: the time of searches and of their first one, and files that are added."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.json_child import child
from bench.load.client import LoadError
from bench.load.prompts import sentence
from bench.scale import Scale
from bench.sections.embeddings import embedding_model
from bench.servers import openedai

SECTION = "vector stores"
EMBEDDINGS = "/v1/embeddings"
_SCRIPT = Path(__file__).with_name("store_search.py")
# Milliseconds of processor time of a search, by the chunks of the store.
BOUNDS = {20_000: 20.0, 100_000: 60.0}
_FIRST_SECONDS = 2.0
_LEAST_SHARE = 0.9
_POLL_SECONDS = 0.05
_BATCH = 64
_FILE_SENTENCES = 12  # of a file that is added: one chunk


async def measure(scale: Scale) -> list[Figure]:
    """Searches are of a process with the index alone; files are added to a server."""
    found = [one for count in scale.store_chunks for one in await _searches(count, scale)]
    return [*found, await _ingestion(scale)]


async def _searches(count: int, scale: Scale) -> list[Figure]:
    """One thread, so that the time of the processor is that of one core."""
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        command: list[str | Path] = [
            sys.executable,
            _SCRIPT,
            str(Path(folder, "index")),
            str(count),
        ]

        async def run(number: int) -> dict[str, Any]:
            async with child("the search", command, one_thread) as process:
                return await process.ask({"searches": scale.store_searches, "seed": number})

        await run(-1)  # makes the index
        rounds = [await run(number) for number in range(scale.rounds)]
    return [
        Figure(
            SECTION,
            f"search of {count} chunks, processor time",
            "ms",
            False,
            {SUBJECT: [one["milliseconds"] for one in rounds]},
            Budget(BOUNDS[count], "at most") if count in BOUNDS else None,
        ),
        Figure(
            SECTION,
            f"first search of {count} chunks",
            "s",
            False,
            {SUBJECT: [one["first"] for one in rounds]},
            Budget(_FIRST_SECONDS, "at most"),
        ),
    ]


async def _ingestion(scale: Scale) -> Figure:
    """Files a second, and texts as long a second through the endpoint for embeddings."""
    spec, _ = await embedding_model()
    options = ["--embedding-model", spec.id, "--preload", spec.id]
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        started = openedai(f'data = "{folder}"\n', options=options)
        url, _ = await stack.enter_async_context(started)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        count = scale.store_files

        async def added(number: int) -> float:
            return count / await _added_in(session, url, _texts(count, f"file {number}"))

        async def embedded(number: int) -> float:
            texts = _texts(count, f"text {number}")
            began = time.perf_counter()
            for start in range(0, count, _BATCH):
                body = {"model": spec.id, "input": texts[start : start + _BATCH]}
                await _answer(session.post(f"{url}/embeddings", json=body))
            return count / (time.perf_counter() - began)

        await embedded(-1)
        return Figure(
            SECTION,
            f"{count} files added",
            "files/s",
            True,
            await alternate({SUBJECT: added, EMBEDDINGS: embedded}, scale.rounds),
            Budget(_LEAST_SHARE, "at least", of="ratio", peer=EMBEDDINGS),
            note=f"a file is one chunk; the endpoint gets {_BATCH} texts at once",
        )


def _texts(count: int, name: str) -> list[str]:
    return [
        " ".join(sentence(f"{name} {number} {part}") for part in range(_FILE_SENTENCES))
        for number in range(count)
    ]


async def _added_in(session: aiohttp.ClientSession, url: str, texts: list[str]) -> float:
    """The seconds until files that are uploaded already are all in a store."""
    files = []
    for text in texts:
        form = aiohttp.FormData({"purpose": "assistants"})
        form.add_field("file", text, filename="bench.txt")
        files.append((await _answer(session.post(f"{url}/files", data=form)))["id"])
    store = await _answer(session.post(f"{url}/vector_stores", json={}))
    started = time.perf_counter()
    path = f"{url}/vector_stores/{store['id']}/file_batches"
    batch = await _answer(session.post(path, json={"file_ids": files}))
    while batch["status"] == "in_progress":
        await asyncio.sleep(_POLL_SECONDS)
        batch = await _answer(session.get(f"{path}/{batch['id']}"))
    if batch["file_counts"]["completed"] != len(texts):
        raise LoadError(f"not every file was added: {batch['file_counts']}")
    return time.perf_counter() - started


async def _answer(request: Any) -> Any:
    async with request as response:
        if response.status != 200:
            raise LoadError(f"{response.status}: {await response.text()}")
        return await response.json()
