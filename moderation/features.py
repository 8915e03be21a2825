"""Embeddings of texts, in batches that only the texts decide, so that they are always the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.contract.generate import Text
from openedai.engines.embedding.onnx import Encoder
from openedai.engines.machine import usable_cores
from openedai.weights.library import Library

BATCH = 16
SAVED_EVERY = 8  # batches


class Embeddings:
    """`cache` is a file that keeps the embeddings of earlier runs, which may have had other
    batches: without it they are the same to the bit.
    """

    def __init__(self, model: str, cache: Path | None) -> None:
        settings = Settings(_env_file=None)
        path = Library(settings).pull(Catalog(settings).resolve(model).spec)
        assert path is not None
        self._encoder = Encoder(path, "cpu", 1)
        self._cache = cache
        self._known: dict[str, NDArray[np.float32]] = {}
        if cache is not None and cache.exists():
            saved: Any = np.load(cache)
            self._known = dict(zip(map(str, saved["keys"]), saved["vectors"], strict=True))

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[texts, dimensions]"""
        self._compute(texts)
        return np.array([self._known[_key(text)] for text in texts], np.float32)

    def _compute(self, texts: Iterable[str]) -> None:
        missing = [text for text in dict.fromkeys(texts) if _key(text) not in self._known]
        missing.sort(key=lambda text: (len(text), text))
        batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
        with ThreadPoolExecutor(usable_cores()) as threads:
            for number, vectors in enumerate(threads.map(self._batch, batches)):
                self._known |= zip(map(_key, batches[number]), vectors, strict=True)
                if number % SAVED_EVERY == 0 or number + 1 == len(batches):
                    print(f"{number + 1} of {len(batches)} batches embedded", flush=True)
                    self._save()

    def _batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One thread computes it: how several divide the sums is not always the same."""
        tokens = self._encoder.tokenizer.encode([Text(text=text) for text in texts])
        return self._encoder.run(tokens)

    def _save(self) -> None:
        if self._cache is not None:
            vectors = np.array(list(self._known.values()))
            np.savez(self._cache, keys=np.array(list(self._known)), vectors=vectors)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
