"""Contents: every blob store, with SQLite; holders, ranges and what a killed server leaves."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from openedai.errors import APIError, ContentMissing, NotFound, Unavailable
from openedai.store import contents
from openedai.store.database import Database
from openedai.store.files import FileRecord, Files, new_file
from openedai.store.quotas import FileLimits
from openedai.store.store import Store

BLOB = contents.BLOB_BYTES
LENGTHS = (0, 1, BLOB - 1, BLOB, BLOB + 1, 2 * BLOB + 5)


@pytest.fixture
def kept(tmp_path: Path, blobs_url: str) -> Store:
    return Store(tmp_path, "", blobs_url)


def run(store: Store, scenario: Coroutine[Any, Any, None]) -> None:
    async def closing() -> None:
        try:
            await scenario
        finally:
            await store.close()

    asyncio.run(closing())


async def write(store: Store, holder: str, data: bytes, chunk: int = 3_000_000) -> None:
    database = await store.database()
    async with store.contents.writing() as writing:
        for start in range(0, len(data), chunk):
            await writing.add(data[start : start + chunk])
        await writing.end()
        assert writing.size == len(data)
        async with database.write() as query:
            await store.contents.record(query, holder, writing)


async def joined(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def read(store: Store, holder: str, start: int = 0, end: int | None = None) -> bytes:
    return await joined(store.contents.read(await store.database(), holder, start, end))


async def keys(database: Database) -> int:
    ((count,),) = await database.read("select count(*) from blobs")
    return int(count)


@pytest.mark.parametrize("length", LENGTHS)
def test_the_same_bytes(kept: Store, length: int) -> None:
    data = random.Random(length).randbytes(length)

    async def scenario() -> None:
        await write(kept, "a", data)
        assert await read(kept, "a") == data
        for start, end in ((0, 1), (1, length), (BLOB - 2, BLOB + 2), (length - 1, length + 9)):
            assert await read(kept, "a", max(start, 0), end) == data[max(start, 0) : end]

    run(kept, scenario())


def test_contents_joined_in_an_order(kept: Store) -> None:
    parts = {"a": b"A" * (BLOB + 1), "b": b"", "c": b"C"}

    async def scenario() -> None:
        for name, data in parts.items():
            await write(kept, name, data)
        database = await kept.database()
        async with database.write() as query:
            await kept.contents.join(query, ["c", "b", "a"], "file")
        assert await read(kept, "file") == parts["c"] + parts["a"]
        assert await read(kept, "a") == b""

    run(kept, scenario())


def test_what_is_removed_is_gone(kept: Store) -> None:
    async def scenario() -> None:
        await write(kept, "a", b"A")
        await write(kept, "b", b"B")
        database = await kept.database()
        ((key,),) = await database.read("select key from blobs where holder='a'")
        async with database.write() as query:
            removed = await kept.contents.remove(query, "a")
        assert removed == [key]
        await kept.contents.discard(removed)
        await kept.contents.discard(removed)
        assert await read(kept, "b") == b"B"
        async with database.write() as query:
            await query("update blobs set key=$1", key)
        with pytest.raises(APIError, match="missing"):
            await read(kept, "b")

    run(kept, scenario())


def test_a_file_that_is_deleted_while_it_is_read(kept: Store) -> None:
    files = Files(kept, FileLimits())

    async def made(size: int) -> FileRecord:
        record = new_file("user_data", "a", size, "me")
        async with files.writing("me") as writing:
            await writing.add(bytes(size))
            await files.create(record, writing)
        return record

    async def scenario() -> None:
        small, large = await made(10), await made(BLOB + 1)
        await files.delete("me", small.id)
        with pytest.raises(NotFound, match=small.id):
            await joined(files.read(small))
        async with aclosing(files.read(large)) as chunks:
            await anext(chunks)
            await files.delete("me", large.id)
            with pytest.raises(NotFound, match=large.id):
                await joined(chunks)
        lost = await made(10)
        database = await kept.database()
        async with database.write() as query:
            await kept.contents.discard(await kept.contents.remove(query, lost.id))
        with pytest.raises(ContentMissing):
            await joined(files.read(lost))
        assert await joined(files.read(await made(0))) == b""

    run(kept, scenario())


def test_a_writing_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    async def scenario() -> None:
        async def fail() -> None:
            async with store.contents.writing() as writing:
                await writing.add(bytes(BLOB + 1))
                assert files(tmp_path)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert files(tmp_path) == []

    run(store, scenario())


def test_a_writing_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    async def endless(written: asyncio.Semaphore) -> None:
        async with store.contents.writing() as writing:
            while True:
                await writing.add(bytes(BLOB))
                written.release()

    async def scenario() -> None:
        for steps in range(6):
            written = asyncio.Semaphore(0)
            task = asyncio.create_task(endless(written))
            for _ in range(steps):
                await written.acquire()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert files(tmp_path) == []

    run(store, scenario())


def test_the_sweep_deletes_what_a_killed_server_left(tmp_path: Path) -> None:
    store = Store(tmp_path)

    async def scenario() -> None:
        await write(store, "a", b"A")
        async with store.contents.writing() as writing:
            await writing.add(b"nobody's")
            await writing.end()
        (tmp_path / "blobs/ab").mkdir(exist_ok=True)
        (tmp_path / "blobs/ab/cd#1").write_bytes(b"half")
        (tmp_path / "blobs/ab/ef#1").write_bytes(b"young")
        for path in files(tmp_path):
            if path.name != "ef#1":
                os.utime(path, (time.time() - 90_000,) * 2)
        assert len(files(tmp_path)) == 4
        await store.contents.sweep(await store.database())
        assert [path.name for path in files(tmp_path) if path.name == "ef#1"] == ["ef#1"]
        assert len(files(tmp_path)) == 2
        assert await read(store, "a") == b"A"

    run(store, scenario())


def test_a_bucket_that_is_not_there(s3: str, tmp_path: Path) -> None:
    store = Store(tmp_path, "", "s3://nowhere/prefix")

    async def scenario() -> None:
        with pytest.raises(APIError):
            await write(store, "a", b"A")

    run(store, scenario())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "blobs").touch()
    store = Store(tmp_path)

    async def scenario() -> None:
        with pytest.raises(Unavailable):
            await write(store, "a", b"A")

    run(store, scenario())


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]
