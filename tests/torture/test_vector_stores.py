"""Files of vector stores while the disk is full: they wait, and nothing is left over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, OpenAI

from tests.process.serving import Process, serving
from tests.process.settings_files import model_table, settings_file
from tests.support import wait_until
from tests.torture.machine import fill, tracebacks

CONFIG = settings_file(
    model_table("echo"), model_table("slow", delay=0.1, slots=2), embedding_model="slow"
)
WORDS = 90_000  # some 900 chunks: more than are embedded before they are saved
CHUNKS: Any = {
    "type": "static",
    "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0},
}


def test_a_full_disk_delays_files(tmp_path: Path, small_disk: Path) -> None:
    data = small_disk / "data"
    flags = ("--preload", "slow")
    with serving(tmp_path, CONFIG, *flags, data=data) as server, server.client() as client:
        ready = client.vector_stores.create(extra_body={"embedding_model": "echo"})
        client.vector_stores.files.upload_and_poll(
            vector_store_id=ready.id, file=("a.txt", b"a fox")
        )
        store = client.vector_stores.create()
        files = [
            client.files.create(file=(f"{n}.txt", b"word " * WORDS), purpose="assistants").id
            for n in range(2)
        ]
        batch = client.vector_stores.file_batches.create(
            store.id, file_ids=files, chunking_strategy=CHUNKS
        )
        wait_until(lambda: server.gauge("openedai_model_running", "slow") > 0)
        file = fill(small_disk)
        wait_until(lambda: any("no space left" in line or " waits " in line for line in server.log))
        counts = client.vector_stores.retrieve(store.id).file_counts
        assert (counts.failed, counts.completed) == (0, 0)
        refused(client, ready.id)
        file.unlink()
        done = client.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id)
        assert done.file_counts.completed == len(files), done
        found = client.vector_stores.search(ready.id, query="fox").data
        assert [one.filename for one in found] == ["a.txt"]
        require_nothing_left(server, data)


def refused(client: OpenAI, store: str) -> None:
    """A search that cannot make its index is refused for now; a store that cannot be made too."""
    for ask in (
        lambda: client.vector_stores.search(store, query="fox"),
        lambda: client.vector_stores.create(name="x" * 200),
    ):
        with pytest.raises(APIStatusError) as caught:
            ask()
        assert caught.value.status_code == 503, caught.value


def require_nothing_left(server: Process, data: Path) -> None:
    with closing(sqlite3.connect(data / "openedai.db")) as database:
        rows = database.execute("select key, holder, size from blobs").fetchall()
    assert not [holder for _, holder, _ in rows if holder.startswith("vsfile_")]
    blobs = [path for path in (data / "blobs").rglob("*") if path.is_file()]
    kept = {str(path.relative_to(data / "blobs")): path.stat().st_size for path in blobs}
    assert kept == {key: size for key, _, size in rows}
    assert not [*(data / "reading").glob("*")]
    assert not tracebacks(server)
