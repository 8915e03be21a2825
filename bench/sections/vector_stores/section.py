"""Vector stores: the time of searches and of their first one, and files that are added."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
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
_POLL_SECONDS = 0.05
_BATCH = 64
_FILE_SENTENCES = 12  # of a file that is added: one chunk
_BATCH_SECONDS = 300.0

Run = Callable[[int], Awaitable[float]]


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
    return [*found, await _ingestion(scale, pythons)]


async def _ingestion(scale: Scale, pythons: Mapping[str, Path]) -> Figure:
    """Files a second, and texts as long a second through the endpoint for embeddings, which the
    peers call too.
    """
    spec, _ = await embedding_model()
    options = ["--embedding-model", spec.id, "--preload", spec.id]
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        started = openedai(f'data = "{folder}/data"\n', options=options)
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
        runs: dict[str, Run] = {SUBJECT: added, EMBEDDINGS: embedded}
        if CHROMA in pythons:
            runs[CHROMA] = await _chroma(stack, pythons[CHROMA], Path(folder), url, spec, count)
        if OGX in pythons:
            runs[OGX] = await _ogx(stack, pythons[OGX], session, url, spec, count)
        return Figure(
            SECTION,
            f"{count} files added",
            "files/s",
            True,
            await alternate(runs, scale.rounds),
            Budget(_LEAST_SHARE, "at least", of="ratio", peer=EMBEDDINGS),
            note=f"a file is one chunk; the endpoint gets {_BATCH} texts at once, also from peers",
        )


async def _chroma(
    stack: AsyncExitStack, python: Path, folder: Path, url: str, spec: ModelSpec, count: int
) -> Run:
    command: list[str | Path] = [python, SCRIPT, CHROMA, folder / "chroma"]
    peer = await stack.enter_async_context(child(CHROMA, command, {}))

    async def run(number: int) -> float:
        texts = _texts(count, f"chroma {number}")
        answer = await peer.ask({"added": texts, "url": url, "model": spec.id})
        return count / float(answer["seconds"])

    await run(-1)
    return run


async def _ogx(
    stack: AsyncExitStack,
    python: Path,
    session: aiohttp.ClientSession,
    url: str,
    spec: ModelSpec,
    count: int,
) -> Run:
    body = {"model": spec.id, "input": "the dimensions"}
    answer = await _answer(session.post(f"{url}/embeddings", json=body))
    dimensions = len(answer["data"][0]["embedding"])
    peer, _ = await stack.enter_async_context(ogx(python, url, None, (spec.id, dimensions)))
    store = {"embedding_model": f"echo/{spec.id}", "embedding_dimension": dimensions}

    async def run(number: int) -> float:
        return count / await _added_in(session, peer, _texts(count, f"ogx {number}"), store)

    await run(-1)
    return run


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
    """The seconds until files that are uploaded already are all in a store, which is made with
    these fields.
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
