"""The process that searches: `store_search.py FOLDER CHUNKS`, one JSON line for each question.

The index is made if the folder is not there.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openedai.search.cache import AddedFile, Cache
from openedai.search.rank import Search
from openedai.search.segments import Segment, halved, unit

DIMENSIONS = 768
_FILE_CHUNKS = 50
_CHUNK_WORDS = 120
_VOCABULARY = 30_000
_QUERY_WORDS = 8
_SKEW = 1.2  # of the frequencies of words: as in texts, some are in most chunks


def main(folder: str, count: int) -> None:
    path = Path(folder)
    if not path.exists():
        _make(path, count)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_run(path, asked["searches"], asked["seed"])), flush=True)


def _make(folder: Path, count: int) -> None:
    random = np.random.default_rng(7)
    cache = Cache(folder, DIMENSIONS)
    for number in range(0, count, _FILE_CHUNKS):
        texts = [_words(random, _CHUNK_WORDS) for _ in range(_FILE_CHUNKS)]
        ends = np.cumsum([len(text) for text in texts]).tolist()
        spans = list(zip([0, *ends], ends, strict=False))
        data = halved(_vectors(random, _FILE_CHUNKS))
        made = Segment("".join(texts), [], spans, range(_FILE_CHUNKS), DIMENSIONS, data)
        name = f"file-{number}"
        cache.add(AddedFile(name, name, name, {}), made)
    cache.finish(1)
    cache.close()


def _run(folder: Path, searches: int, seed: int) -> dict[str, float]:
    """The seconds of the first search, with the opening, and the milliseconds of the processor of
    each of the others.
    """
    random = np.random.default_rng([11, seed + 1])
    made = [
        Search([_words(random, _QUERY_WORDS)], _vectors(random, 1), 10) for _ in range(searches)
    ]
    started = time.perf_counter()
    cache = Cache(folder, DIMENSIONS)
    made[0].run(cache, cache.view())
    first = time.perf_counter() - started
    began = time.process_time()
    for search in made[1:]:
        search.run(cache, cache.view())
    spent = time.process_time() - began
    cache.close()
    return {"first": first, "milliseconds": 1000 * spent / (searches - 1)}


def _words(random: np.random.Generator, count: int) -> str:
    ranks = np.minimum(random.zipf(_SKEW, count), _VOCABULARY)
    return " ".join(f"word{rank}" for rank in ranks)


def _vectors(random: np.random.Generator, count: int) -> NDArray[np.float32]:
    return unit(random.standard_normal((count, DIMENSIONS)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
