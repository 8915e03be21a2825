"""The section of embeddings, with a peer that answers like a library would."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from bench.figures import SUBJECT, Figure
from bench.json_child import child
from bench.load.client import LoadError, Target
from bench.load.prompts import sentence
from bench.scale import QUICK
from bench.sections.embeddings.library_peer import LIBRARIES
from bench.sections.embeddings.section import FASTEMBED, INFINITY, SENTENCE_TRANSFORMERS, compare
from tests.support import ServerThread, echo_settings

TINY = replace(QUICK, rounds=2, embedding_texts=4, embedding_batches=(1, 2))
PEER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)["batches"]
    print(json.dumps({"seconds": len(asked), "vector": json.loads(sys.argv[1])}), flush=True)
"""


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with ServerThread(echo_settings()) as running:
        yield Target(SUBJECT, f"{running.url}/v1", "echo")


def test_systems_take_turns(target: Target) -> None:
    names = (SENTENCE_TRANSFORMERS, "other")
    single, pairs = asyncio.run(compared(target, embedded(target), names))
    assert single.values[SENTENCE_TRANSFORMERS] == [1.0, 1.0]
    assert pairs.values["other"] == [2.0, 2.0]
    assert all(value > 0 for value in single.values[SUBJECT])
    assert single.budget is not None
    assert (single.budget.bound, single.budget.peer) == (1.2, SENTENCE_TRANSFORMERS)


def test_other_vectors_are_an_error(target: Target) -> None:
    vector = [-one for one in embedded(target)]
    with pytest.raises(LoadError, match="fastembed computes other vectors"):
        asyncio.run(compared(target, vector, (FASTEMBED,)))


def test_the_script_knows_the_libraries() -> None:
    assert set(LIBRARIES) == {SENTENCE_TRANSFORMERS, INFINITY, FASTEMBED}


async def compared(target: Target, vector: Sequence[float], names: Sequence[str]) -> list[Figure]:
    """With a peer of each name that returns this vector."""
    async with child("peer", [sys.executable, "-c", PEER, json.dumps(vector)], {}) as peer:
        return await compare(target, dict.fromkeys(names, peer), TINY)


def embedded(target: Target) -> list[float]:
    body = json.dumps({"model": target.model, "input": sentence("the same vector")}).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{target.url}/embeddings", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        vector: list[float] = json.load(answer)["data"][0]["embedding"]
        return vector
