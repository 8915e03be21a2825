"""Embeddings: our endpoint over HTTP, compared with libraries on the same weights."""

from __future__ import annotations

import asyncio
import json
import math
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from bench.figures import SUBJECT, Budget, Figure, alternate
from bench.json_child import Child, child
from bench.load.client import Connection, LoadError, Target
from bench.load.prompts import sentence
from bench.scale import Scale
from bench.servers import openedai
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import EMBEDDING
from openedai.config import ModelSpec, Settings
from openedai.errors import ModelNotFound
from openedai.weights.library import Library

SECTION = "embeddings"
SENTENCE_TRANSFORMERS, INFINITY, FASTEMBED = "sentence-transformers", "infinity-emb", "fastembed"
# The bounds on the ratio to sentence-transformers, by the size of the batch.
BOUNDS = {1: 1.2, 32: 2.0}
LEAST_COSINE = 0.999
_SCRIPT = Path(__file__).with_name("library_peer.py")
QUIET = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "DO_NOT_TRACK": "1"}


async def measure(
    scale: Scale, pythons: Mapping[str, Path], versions: dict[str, str]
) -> list[Figure]:
    """`pythons` are interpreters that have these libraries, by their names.

    The libraries' versions are added to `versions`.
    """
    spec, folder = await embedding_model()
    options = ["--embedding-model", spec.id, "--preload", spec.id]
    async with AsyncExitStack() as stack:
        url, _ = await stack.enter_async_context(openedai(options=options))
        peers: dict[str, Child] = {}
        for name, python in pythons.items():
            peer = await stack.enter_async_context(child(name, [python, _SCRIPT, name], QUIET))
            versions.update(await peer.ask({"folder": str(folder)}))
            peers[name] = peer
        return await compare(Target(SUBJECT, url, spec.id), peers, scale)


async def embedding_model() -> tuple[ModelSpec, Path]:
    """The default embedding model, and the folder of its weights. Raises ModelNotFound."""
    settings = Settings()
    default = Catalog(settings).default(EMBEDDING)
    spec = None if default is None else default.spec
    folder = None if spec is None else await asyncio.to_thread(Library(settings).pull, spec)
    if spec is None or folder is None:
        raise ModelNotFound(settings.embedding_model)
    return spec, folder


async def compare(target: Target, peers: Mapping[str, Child], scale: Scale) -> list[Figure]:
    """Raises LoadError if a peer's vectors differ."""
    text = sentence("the same vector")
    ours = await asyncio.to_thread(_vector, target, text)
    for name, peer in peers.items():
        theirs = (await peer.ask({"batches": [[text]]}))["vector"]
        if (found := _cosine(ours, theirs)) < LEAST_COSINE:
            raise LoadError(f"{name} computes other vectors: the cosine is {found:.4f}.")
    return [await _batch(target, peers, scale, size) for size in scale.embedding_batches]


def _vector(target: Target, text: str) -> list[float]:
    body = json.dumps({"model": target.model, "input": text}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {target.key}"}
    request = urllib.request.Request(f"{target.url}/embeddings", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return [float(one) for one in json.load(answer)["data"][0]["embedding"]]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    if len(one) != len(other):
        return 0.0
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other))


async def _batch(target: Target, peers: Mapping[str, Child], scale: Scale, size: int) -> Figure:
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

    def theirs(peer: Child) -> Callable[[int], Awaitable[float]]:
        async def run(number: int) -> float:
            answer = await peer.ask({"batches": batches(number)})
            return count / float(answer["seconds"])

        return run

    runs = {SUBJECT: ours} | {name: theirs(peer) for name, peer in peers.items()}
    for run in runs.values():
        await run(-1)
    bound = BOUNDS.get(size)
    return Figure(
        SECTION,
        f"batches of {size}",
        "texts/s",
        True,
        await alternate(runs, scale.rounds),
        Budget(bound, "at least", "ratio", SENTENCE_TRANSFORMERS) if bound else None,
        note="8 to 40 words each; one request after the other; peers are called in-process",
    )
