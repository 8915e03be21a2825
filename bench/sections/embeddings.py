"""Embeddings: our endpoint over HTTP, sentence-transformers as a library on the same weights."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bench.figures import SUBJECT, Figure, alternate
from bench.json_child import Child, child
from bench.load.client import Connection, Target
from bench.load.prompts import sentence
from bench.scale import Scale
from bench.servers import openedai
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import EMBEDDING
from openedai.config import ModelSpec, Settings
from openedai.errors import ModelNotFound
from openedai.weights.library import Library

SECTION = "embeddings"
PEER = "sentence-transformers"
_SCRIPT = Path(__file__).with_name("sentence_transformers_peer.py")
QUIET = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}


@asynccontextmanager
async def sentence_transformers(
    python: Path, folder: Path, versions: dict[str, str]
) -> AsyncIterator[Child]:
    """The library in a child process. Its versions are added to `versions`."""
    async with child(PEER, [python, _SCRIPT], QUIET) as peer:
        versions.update(await peer.ask({"folder": str(folder)}))
        yield peer


async def measure(scale: Scale, python: Path | None, versions: dict[str, str]) -> list[Figure]:
    """`python` is an interpreter that has sentence-transformers; None measures ours alone.

    Its versions are added to `versions`.
    """
    spec, folder = await embedding_model()
    options = ["--embedding-model", spec.id, "--preload", spec.id]
    async with openedai(options=options) as (url, _):
        target = Target(SUBJECT, url, spec.id)
        if python is None:
            return await _batches(target, None, scale)
        async with sentence_transformers(python, folder, versions) as peer:
            return await _batches(target, peer, scale)


async def embedding_model() -> tuple[ModelSpec, Path]:
    """The default embedding model, and the folder of its weights. Raises ModelNotFound."""
    settings = Settings()
    default = Catalog(settings).default(EMBEDDING)
    spec = None if default is None else default.spec
    folder = None if spec is None else await asyncio.to_thread(Library(settings).pull, spec)
    if spec is None or folder is None:
        raise ModelNotFound(settings.embedding_model)
    return spec, folder


async def _batches(target: Target, peer: Child | None, scale: Scale) -> list[Figure]:
    return [await _batch(target, peer, scale, size) for size in scale.embedding_batches]


async def _batch(target: Target, peer: Child | None, scale: Scale, size: int) -> Figure:
    count = scale.embedding_texts

    def batches(number: int) -> list[list[str]]:
        texts = [sentence(f"{size} {number} {text}") for text in range(count)]
        return [texts[start : start + size] for start in range(0, count, size)]

    async def ours(number: int) -> float:
        bodies = [target.embeddings(batch) for batch in batches(number)]
        async with await Connection.open(target) as connection:
            started = time.perf_counter()
            for body in bodies:
                await connection.post("/embeddings", body)
            return count / (time.perf_counter() - started)

    async def theirs(number: int) -> float:
        assert peer is not None
        answer = await peer.ask({"batches": batches(number)})
        return count / float(answer["seconds"])

    runs: dict[str, Callable[[int], Awaitable[float]]] = {SUBJECT: ours}
    if peer is not None:
        runs[PEER] = theirs
    for run in runs.values():
        await run(-1)
    return Figure(
        SECTION,
        f"batches of {size}",
        "texts/s",
        True,
        await alternate(runs, scale.rounds),
        note="8 to 40 words each; one request after the other; the peer is called in-process",
    )
