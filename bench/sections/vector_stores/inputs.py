"""What the section of vector stores searches: the same texts and vectors for every system."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 768
_CHUNK_WORDS = 120
_QUERY_WORDS = 8
_VOCABULARY = 30_000
_SKEW = 1.2  # of the frequencies of words: as in real texts, some words are in most chunks


def write_inputs(folder: Path, count: int) -> None:
    """Write `texts.json` and `vectors.npy` with this many chunks, unless they exist."""
    if (folder / "vectors.npy").exists():
        return
    random = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    texts = [_words(random, _CHUNK_WORDS) for _ in range(count)]
    (folder / "texts.json").write_text(json.dumps(texts), "utf-8")
    np.save(folder / "new.npy", _vectors(random, count))
    (folder / "new.npy").rename(folder / "vectors.npy")


def queries(count: int, seed: int) -> list[dict[str, Any]]:
    """Questions with words that are as frequent as in the texts, and their vectors."""
    random = np.random.default_rng([11, seed])
    return [
        {"text": f"{_words(random, _QUERY_WORDS)}?", "vector": _vectors(random, 1)[0].tolist()}
        for _ in range(count)
    ]


def _words(random: np.random.Generator, count: int) -> str:
    ranks = np.minimum(random.zipf(_SKEW, count), _VOCABULARY)
    return " ".join(f"word{rank}" for rank in ranks)


def _vectors(random: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Of length 1: [count, DIMENSIONS]."""
    rows = random.standard_normal((count, DIMENSIONS), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
