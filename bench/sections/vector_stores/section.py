"""Vector stores: the time of searches and of their first one, and files that are added."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.json_child import child
from bench.load.client import LoadError
from bench.load.prompts import sentence
from bench.scale import Scale
from bench.sections.embeddings.section import embedding_model
from bench.sections.vector_stores.searches import CHROMA, OGX, SCRIPT, SECTION, searches
from bench.servers import ogx, openedai
from openedai.config import ModelSpec

EMBEDDINGS = "/v1/embeddings"
_LEAST_SHARE = 0.9
_POLL_SECONDS = 0.1
_BATCH = 64
_FILE_SENTENCES = 3  # of a file that is added: one chunk
_WARM = 8  # files, before anything is measured
_BATCH_SECONDS = 300.0
# No round begins later than this after the first one.
_ROUNDS_SECONDS = 300.0

# The seconds until these texts are added.
Adding = Callable[[list[str]], Awaitable[float]]


async def measure(
    scale: Scale,
    pythons: Mapping[str, Path] | None = None,
    indexes: Path | None = None,
    versions: dict[str, str] | None = None,
) -> list[Figure]:
    """Searches are of processes with the index alone; files are added to servers.

    `pythons` are interpreters that have Chroma and OGX, by these names; their versions are added to
    `versions`. `indexes` is a folder where the indexes stay.
    """
    pythons = pythons or {}
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = indexes or Path(temporary)
        found = [
            figure
            for count in scale.store_chunks
            for figure in await searches(count, scale, folder / str(count), pythons, versions)
        ]
    return [*found, await _ingestion(scale, pythons)] if scale.store_files else found


async def _ingestion(scale: Scale, pythons: Mapping[str, Path]) -> Figure:
    """Files per second, and equally long texts per second through the endpoint for embeddings,
    which the peers also call.
    """
    spec, _ = await embedding_model()
    options = ["--embedding-model", spec.id, "--preload", spec.id]
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        started = openedai(f'data = "{folder}/data"\n', options=options)
        url, _ = await stack.enter_async_context(started)
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def embedded(texts: list[str]) -> float:
            began = time.perf_counter()
            for start in range(0, len(texts), _BATCH):
                body = {"model": spec.id, "input": texts[start : start + _BATCH]}
                await _answer(session.post(f"{url}/embeddings", json=body))
            return time.perf_counter() - began

        systems: dict[str, Adding] = {
            SUBJECT: partial(_added_in, session, url),
            EMBEDDINGS: embedded,
        }
        if CHROMA in pythons:
            systems[CHROMA] = await _chroma(stack, pythons[CHROMA], Path(folder), url, spec)
        if OGX in pythons:
            systems[OGX] = await _ogx(stack, pythons[OGX], session, url, spec)
        count = scale.store_files
        for name, add in systems.items():
            await add(_texts(_WARM, f"{name} warm"))
        runs = {name: partial(_rate, name, add, count) for name, add in systems.items()}
        return Figure(
            SECTION,
            f"{count} files added",
            "files/s",
            True,
            await alternate(runs, scale.rounds, _ROUNDS_SECONDS),
            Budget(_LEAST_SHARE, "at least", of="ratio", peer=EMBEDDINGS),
            note=f"a file is one chunk; the endpoint gets {_BATCH} texts at once, also from peers",
        )


async def _rate(name: str, add: Adding, count: int, number: int) -> float:
    """Texts per second. No system and no round gets texts that were embedded before."""
    return count / await add(_texts(count, f"{name} {number}"))


async def _chroma(
    stack: AsyncExitStack, python: Path, folder: Path, url: str, spec: ModelSpec
) -> Adding:
    command: list[str | Path] = [python, SCRIPT, CHROMA, folder / "chroma"]
    peer = await stack.enter_async_context(child(CHROMA, command, {}))

    async def add(texts: list[str]) -> float:
        return float((await peer.ask({"added": texts, "url": url, "model": spec.id}))["seconds"])

    return add


async def _ogx(
    stack: AsyncExitStack, python: Path, session: aiohttp.ClientSession, url: str, spec: ModelSpec
) -> Adding:
    body = {"model": spec.id, "input": "the dimensions"}
    answer = await _answer(session.post(f"{url}/embeddings", json=body))
    dimensions = len(answer["data"][0]["embedding"])
    peer, _ = await stack.enter_async_context(ogx(python, url, None, (spec.id, dimensions)))
    store = {"embedding_model": f"echo/{spec.id}", "embedding_dimension": dimensions}
    return partial(_added_in, session, peer, store=store)


def _texts(count: int, name: str) -> list[str]:
    return [
        " ".join(sentence(f"{name} {number} {part}") for part in range(_FILE_SENTENCES))
        for number in range(count)
    ]


async def _added_in(
    session: aiohttp.ClientSession,
    url: str,
    texts: list[str],
    store: Mapping[str, object] | None = None,
) -> float:
    """The seconds until all files, which are already uploaded, are in a store made with these
    fields.
    """
    files = []
    for text in texts:
        form = aiohttp.FormData({"purpose": "assistants"})
        form.add_field("file", text, filename="bench.txt")
        files.append((await _answer(session.post(f"{url}/files", data=form)))["id"])
    made = await _answer(session.post(f"{url}/vector_stores", json=store or {}))
    started = time.perf_counter()
    path = f"{url}/vector_stores/{made['id']}/file_batches"
    batch = await _answer(session.post(path, json={"file_ids": files}))
    while batch["status"] == "in_progress":
        if time.perf_counter() - started > _BATCH_SECONDS:
            raise LoadError(f"files are still being added: {batch['file_counts']}")
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
