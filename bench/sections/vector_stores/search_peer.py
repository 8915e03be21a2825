"""A library that searches vectors and texts, as a child process. Runs in an environment with that
library; only ours has this project.

Its arguments are the library's name and the folder of its index. Reads JSON lines:

- `{"inputs": FOLDER}` makes the index from the texts and vectors there, unless it is there, and
  answers with the versions.
- `{"queries": [{"text", "vector"}], "way": WAY, "seconds"}` searches until so many seconds have
  passed, and answers with the seconds of the first search, opening included, the milliseconds of
  the processor of each of the others, of which there is one at least, and the most bytes that the
  process had in memory.
- `{"added": [TEXT], "url", "model"}`, for Chroma only, has a server embed the texts, adds them to a
  new collection, and answers with the seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Searching = Callable[[str, Vector], object]

_RESULTS = 10
_FILE_CHUNKS = 50
_BATCH = 500
_EMBEDDED = 64
# By meaning and words, by meaning alone, and as our server does with vectors that are larger than
# it may have in memory. Chroma has no words.
BOTH, MEANING, SPARING = "both", "meaning", "sparing"


class Ours:
    packages = ("numpy",)

    def __init__(self) -> None:
        self._cache, self._rank = (
            import_module(f"openedai.search.{name}") for name in ("cache", "rank")
        )

    def make(self, folder: Path, texts: Sequence[str], vectors: Vector) -> None:
        from openedai.search.segments import Segment, halved

        cache = self._cache.Cache(folder, vectors.shape[1])
        for first in range(0, len(texts), _FILE_CHUNKS):
            part, rows = texts[first : first + _FILE_CHUNKS], vectors[first : first + _FILE_CHUNKS]
            ends = np.cumsum([len(text) for text in part]).tolist()
            spans = list(zip([0, *ends], ends, strict=False))
            owners = range(len(part))
            made = Segment("".join(part), [], spans, owners, vectors.shape[1], halved(rows))
            name = f"file-{first}"
            cache.add(self._cache.AddedFile(name, name, name, {}), made)
        cache.finish(1)
        cache.close()

    def open(self, folder: Path, way: str, dimensions: int) -> Searching:
        cache = self._cache.Cache(folder, dimensions)
        weights = self._rank.Weights(1, 0) if way == MEANING else self._rank.BOTH

        def search(text: str, vector: Vector) -> object:
            query = self._rank.Search(
                *([text], vector.reshape(1, -1), _RESULTS), weights=weights, sparing=way == SPARING
            )
            return query.run(cache, cache.view())

        return search


class Chroma:
    """Its local database: an index of neighbours, without words."""

    packages = ("chromadb",)

    def __init__(self) -> None:
        self._chromadb = import_module("chromadb")

    def make(self, folder: Path, texts: Sequence[str], vectors: Vector) -> None:
        collection = self._client(folder).create_collection("bench", metadata={"hnsw:space": "ip"})
        for first in range(0, len(texts), _BATCH):
            part = slice(first, first + _BATCH)
            ids = [f"chunk-{first + at}" for at in range(len(texts[part]))]
            collection.add(ids=ids, documents=list(texts[part]), embeddings=vectors[part])

    def open(self, folder: Path, way: str, dimensions: int) -> Searching:
        collection = self._client(folder).get_collection("bench")
        return lambda text, vector: collection.query(
            query_embeddings=[vector], n_results=_RESULTS, include=["documents", "distances"]
        )

    def added_in(self, folder: Path, texts: Sequence[str], url: str, model: str) -> float:
        """The seconds until texts that a server embeds are all in a new collection."""
        collection = self._client(folder).create_collection(f"added-{time.time_ns()}")
        started = time.perf_counter()
        for first in range(0, len(texts), _EMBEDDED):
            part = list(texts[first : first + _EMBEDDED])
            vectors = np.array(_embedded(part, url, model), np.float32)
            ids = [f"text-{first + at}" for at in range(len(part))]
            collection.add(ids=ids, documents=part, embeddings=vectors)
        return time.perf_counter() - started

    def _client(self, folder: Path) -> Any:
        settings = self._chromadb.Settings(anonymized_telemetry=False)
        return self._chromadb.PersistentClient(str(folder), settings=settings)


class Ogx:
    """Its vector stores in SQLite, with sqlite-vec. Before it adds a chunk it reads its whole index
    of words, so the rows are written here with its own tables and its own values. Where Python's
    SQLite cannot load extensions, that of pysqlite3 is taken.
    """

    packages = ("ogx", "sqlite-vec")

    def __init__(self) -> None:
        if not hasattr(sqlite3.Connection, "enable_load_extension"):
            sys.modules["sqlite3"] = import_module("pysqlite3")
        self._provider = import_module("ogx.providers.inline.vector_io.sqlite_vec.sqlite_vec")

    def make(self, folder: Path, texts: Sequence[str], vectors: Vector) -> None:
        api = import_module("ogx_api")
        folder.mkdir()
        index = self._index(folder, vectors.shape[1])
        database = self._provider._create_sqlite_connection(index.db_path)
        tables = (index.metadata_table, index.vector_table, index.fts_table)
        for number, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
            id = f"chunk-{number}"
            chunk = api.EmbeddedChunk(
                content=text,
                chunk_id=id,
                metadata={"document_id": f"file-{number // _FILE_CHUNKS}"},
                chunk_metadata=api.ChunkMetadata(document_id=f"file-{number // _FILE_CHUNKS}"),
                embedding=vector.tolist(),
                embedding_model="bench",
                embedding_dimension=len(vector),
            )
            values = (chunk.model_dump_json(), vector.tobytes(), text)
            for table, column, value in zip(
                tables, ("chunk", "embedding", "content"), values, strict=True
            ):
                database.execute(f"insert into [{table}](id, {column}) values(?, ?)", (id, value))
        database.commit()
        database.close()

    def open(self, folder: Path, way: str, dimensions: int) -> Searching:
        index = self._index(folder, dimensions)
        loop = asyncio.new_event_loop()

        def search(text: str, vector: Vector) -> object:
            if way == MEANING:
                return loop.run_until_complete(index.query_vector(vector, _RESULTS, 0.0))
            return loop.run_until_complete(index.query_hybrid(vector, text, _RESULTS, 0.0))

        return search

    def _index(self, folder: Path, dimensions: int) -> Any:
        made = self._provider.SQLiteVecIndex.create(dimensions, str(folder / "vectors.db"), "bench")
        return asyncio.run(made)


LIBRARIES = {"openedai": Ours, "Chroma": Chroma, "OGX": Ogx}


def main(library: str, folder: Path) -> None:
    system: Any = LIBRARIES[library]()
    for question in _questions():
        if "added" in question:
            texts, url, model = question["added"], question["url"], question["model"]
            _answer({"seconds": system.added_in(folder, texts, url, model)})
            continue
        if "queries" in question:
            _answer(_searches(system, folder, question))
            continue
        if not folder.exists():
            inputs = Path(question["inputs"])
            texts = json.loads((inputs / "texts.json").read_text("utf-8"))
            new = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(new, ignore_errors=True)
            system.make(new, texts, np.load(inputs / "vectors.npy"))
            new.rename(folder)
        _answer({f"{library}: {name}": version(name) for name in system.packages})


def _searches(system: Any, folder: Path, question: dict[str, Any]) -> dict[str, float]:
    queries = [
        (query["text"], np.array(query["vector"], np.float32)) for query in question["queries"]
    ]
    started = time.perf_counter()
    search = system.open(folder, question["way"], len(queries[0][1]))
    search(*queries[0])
    first = time.perf_counter() - started
    end = time.perf_counter() + question["seconds"]
    began, done = time.process_time(), 0
    for query in queries[1:]:
        search(*query)
        done += 1
        if time.perf_counter() > end:
            break
    spent = time.process_time() - began
    return {
        "first": first,
        "milliseconds": 1000 * spent / max(1, done),
        "memory": _most_memory(),
    }


def _embedded(texts: Sequence[str], url: str, model: str) -> list[list[float]]:
    body = json.dumps({"model": model, "input": texts, "encoding_format": "float"}).encode()
    headers = {"content-type": "application/json"}
    with urlopen(Request(f"{url}/embeddings", body, headers), timeout=300) as answer:
        return [one["embedding"] for one in json.load(answer)["data"]]


def _most_memory() -> float:
    """Bytes. NaN where the system does not say it."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return 1024.0 * int(found[1]) if found else float("nan")


def _questions() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def _answer(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=_ANSWERS, flush=True)


if __name__ == "__main__":
    _ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    main(sys.argv[1], Path(sys.argv[2]))
