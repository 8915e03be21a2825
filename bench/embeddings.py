"""Embeddings: our endpoint over HTTP, sentence-transformers as a library on the same weights."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bench.client import Connection, LoadError, Target
from bench.figures import SUBJECT, Figure, alternate
from bench.prompts import sentence
from bench.scale import Scale
from bench.servers import openedai, stop
from openedai.config import Settings
from openedai.errors import ModelNotFound
from openedai.models.catalog import Catalog
from openedai.models.library import Library

SECTION = "embeddings"
PEER = "sentence-transformers"
_SCRIPT = Path(__file__).with_name("sentence_transformers_peer.py")
_PATIENCE = 300.0
QUIET = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}


class Peer:
    """sentence-transformers in a process of its own, told what to embed line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.versions: dict[str, str] = {}

    async def encode(self, batches: list[list[str]]) -> float:
        """Seconds that the calls took, one for each batch, without telling it the texts."""
        return float((await self._ask({"batches": batches}))["seconds"])

    async def load(self, folder: Path) -> None:
        self.versions = await self._ask({"folder": str(folder)})

    async def _ask(self, question: object) -> dict[str, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), _PATIENCE)
        if not line:
            raise LoadError("sentence-transformers ended; can its Python import it?")
        answer: dict[str, str] = json.loads(line)
        return answer


@asynccontextmanager
async def sentence_transformers(python: Path, folder: Path) -> AsyncIterator[Peer]:
    running = await asyncio.create_subprocess_exec(
        python,
        _SCRIPT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | QUIET,
        limit=1 << 20,
    )
    try:
        peer = Peer(running)
        await peer.load(folder)
        yield peer
    finally:
        await stop(running)


async def measure(scale: Scale, python: Path | None, versions: dict[str, str]) -> list[Figure]:
    """`python` is an interpreter that has sentence-transformers; None measures ours alone.

    Its versions are added to `versions`.
    """
    settings = Settings()
    spec = Catalog(settings).default_embedding
    folder = None if spec is None else await asyncio.to_thread(Library(settings).pull, spec)
    if spec is None or folder is None:
        raise ModelNotFound(settings.embedding_model)
    options = ["--embedding-model", settings.embedding_model, "--preload", spec.id]
    async with openedai(options=options) as (url, _):
        target = Target(SUBJECT, url, spec.id)
        if python is None:
            return await _batches(target, None, scale)
        async with sentence_transformers(python, folder) as peer:
            versions.update(peer.versions)
            return await _batches(target, peer, scale)


async def _batches(target: Target, peer: Peer | None, scale: Scale) -> list[Figure]:
    return [await _batch(target, peer, scale, size) for size in scale.embedding_batches]


async def _batch(target: Target, peer: Peer | None, scale: Scale, size: int) -> Figure:
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
        return count / await peer.encode(batches(number))

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
