"""Vector stores on both databases, without HTTP."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from openedai.app import create_app
from openedai.config import ModelSpec
from openedai.errors import InvalidRequest, NotFound
from openedai.search.filters import Compare
from openedai.serving.services import Services
from openedai.serving.vector_stores.handler import delete_left
from openedai.serving.vector_stores.service import NewFile
from openedai.store.vector_stores.files import Chunking, FileError
from openedai.store.vector_stores.pages import Cursor
from tests.serving.servers import running, within
from tests.serving.vector_stores.stores import (
    IDENTITY,
    OWNER,
    add,
    done,
    search,
    store,
    until,
    until_none,
    upload,
)
from tests.support import echo_settings


async def segments(services: Services) -> int:
    """How many segments there are."""
    database = await services.store.database()
    ((count,),) = await database.read(
        "select count(distinct holder) from blobs where holder like 'vsseg_%'"
    )
    return int(count)


def test_what_one_server_changes_another_one_finds(tmp_path: Path, database_url: str) -> None:
    async def scenario() -> None:
        async with running(tmp_path, database_url) as one, running(tmp_path, database_url) as two:
            id = (await store(one)).id
            first = await add(one, id, "the first fox")
            assert await search(two, [id], "fox") == [first]
            second = await add(two, id, "the second fox", {"year": 2})
            assert await search(one, [id], "fox") == [first, second]
            await one.vector_stores.set_attributes(OWNER, id, first, {"year": 3})
            newer = Compare("year", "gt", 2)
            assert await search(two, [id], "fox", newer) == [first]
            await two.vector_stores.remove_file(OWNER, id, first)
            assert await search(one, [id], "fox") == [second]
            await one.files.delete(OWNER, second)
            assert await search(two, [id], "fox") == []
            assert await segments(one) == 0

    asyncio.run(scenario())


def test_searches_while_files_are_added(tmp_path: Path, database_url: str) -> None:
    """Each search finds what was done before it, and nothing twice."""

    async def scenario() -> None:
        async with running(tmp_path, database_url) as one, running(tmp_path, database_url) as two:
            id = (await store(one)).id
            files = [await upload(one, f"fox {n}") for n in range(20)]
            new = [NewFile(file, {}, Chunking()) for file in files]
            await one.vector_stores.add_batch(IDENTITY, id, new)
            completed = 0
            while completed < len(files):
                found = await one.vector_stores.stores.find(OWNER, id)
                completed = (await one.vector_stores.counts(found)).of("completed")
                for results in await asyncio.gather(
                    *(search(server, [id], "fox") for server in (one, two, one))
                ):
                    assert len(results) == len(set(results)) >= completed

    asyncio.run(scenario())


def test_several_stores_are_searched_together(tmp_path: Path, database_url: str) -> None:
    async def go(services: Services) -> None:
        ids = [(await store(services)).id for _ in range(3)]
        files = [await add(services, id, f"fox {id}") for id in ids]
        assert await search(services, ids, "fox") == sorted(files)
        with pytest.raises(NotFound):
            await search(services, [ids[0], "vs_none"], "fox")

    within(tmp_path, database_url, go)


def test_the_cache_may_be_deleted_at_any_moment(tmp_path: Path) -> None:
    async def go(services: Services) -> None:
        id = (await store(services)).id
        files = [await add(services, id, "fox one")]
        for name in ("", "*", "*/*", "*/*/vectors-*", "*/*/cache.db", "*/lock"):
            for added in (False, True):
                assert await search(services, [id], "fox") == files
                for path in (tmp_path / "search").glob(name) if name else [tmp_path / "search"]:
                    if path.is_dir():
                        shutil.rmtree(path)
                    else:
                        path.unlink()
                if added:
                    files = sorted([*files, await add(services, id, f"fox {name}")])
                assert await search(services, [id], "fox") == files

    within(tmp_path, "", go)


def test_the_cache_may_be_deleted_while_it_is_searched(tmp_path: Path, database_url: str) -> None:
    """By each of two servers, which share the folder."""

    async def scenario() -> None:
        async with running(tmp_path, database_url) as one, running(tmp_path, database_url) as two:
            id = (await store(one)).id
            files = sorted([await add(one, id, f"fox {number}") for number in range(3)])
            ended = asyncio.Event()

            async def searches(server: Services) -> None:
                while not ended.is_set():
                    assert await search(server, [id], "fox") == files

            async def deleting() -> None:
                for _ in range(5):
                    await asyncio.to_thread(shutil.rmtree, tmp_path / "search", True)
                    await asyncio.sleep(0.2)
                ended.set()

            await asyncio.gather(deleting(), *(searches(server) for server in (one, two, one)))

    asyncio.run(scenario())


def test_a_cache_in_use_is_closed_afterwards(tmp_path: Path) -> None:
    async def go(services: Services) -> None:
        caches = services.search_caches
        caches.most_bytes = 1
        one, two = await store(services), await store(services)
        for made in (one, two):
            await add(services, made.id, "fox")
        one = await services.vector_stores.stores.find(OWNER, one.id)
        async with caches.use(one) as (cache, view):
            assert len(await search(services, [two.id], "fox")) == 1
            assert cache.texts([0]) == {0: "fox"}
            assert view.count == 1
        assert len(await search(services, [one.id, two.id], "fox")) == 2

    within(tmp_path, "", go)


def test_a_store_that_is_full_refuses_files(tmp_path: Path, database_url: str) -> None:
    async def go(services: Services) -> None:
        stores = services.vector_stores
        stores.most_files = 3
        id = (await store(services)).id
        files = [await add(services, id, f"fox {number}") for number in range(2)]
        new = [NewFile(await upload(services, f"owl {n}"), {}, Chunking()) for n in range(2)]
        full = "at most 3 files"
        with pytest.raises(InvalidRequest, match=full) as caught:
            await stores.add_batch(IDENTITY, id, new)
        assert (caught.value.code, caught.value.param) == ("too_many_files", "file_id")
        database = await services.store.database()
        assert await database.read("select * from vector_store_batches") == []
        await stores.add_file(IDENTITY, id, new[0])
        with pytest.raises(InvalidRequest, match=full):
            await stores.add_file(IDENTITY, id, new[1])
        # The same file takes no more room.
        await stores.add_file(IDENTITY, id, NewFile(files[0], {"a": 1}, Chunking()))
        assert (await done(services, id)).files == {"completed": 3}
        await stores.remove_file(OWNER, id, files[1])
        await stores.add_file(IDENTITY, id, new[1])
        assert (await done(services, id)).files == {"completed": 3}
        await until_none(database, "select 1 from jobs where ended_at is null")

    within(tmp_path, database_url, go)


def test_an_expired_store_has_no_files(tmp_path: Path, database_url: str) -> None:
    async def go(services: Services) -> None:
        made = await store(services, days=1)
        await add(services, made.id, "fox")
        database = await services.store.database()
        async with database.write() as query:
            await query("update vector_stores set expires_at=$1", time.time() - 1)
        with pytest.raises(InvalidRequest, match="has expired"):
            await search(services, [made.id], "fox")
        with pytest.raises(InvalidRequest, match="has expired"):
            await add(services, made.id, "owl")
        await services.vector_stores.sweep()
        found = await services.vector_stores.stores.find(OWNER, made.id)
        assert found.expired
        assert (await services.vector_stores.counts(found)).total == 0
        assert await segments(services) == 0
        await services.vector_stores.delete(OWNER, made.id)
        await services.search_caches.sweep()
        assert not (tmp_path / "search" / made.id).exists()

    within(tmp_path, database_url, go)


def test_a_search_keeps_a_store_from_expiring(tmp_path: Path) -> None:
    async def go(services: Services) -> None:
        made = await store(services, days=1)
        await add(services, made.id, "fox")
        database = await services.store.database()
        async with database.write() as query:
            before = time.time() - 3600
            await query("update vector_stores set last_active_at=$1, expires_at=$1+7200", before)
        await search(services, [made.id], "fox")
        found = await services.vector_stores.stores.find(OWNER, made.id)
        assert found.last_active_at > before + 3500
        assert found.expires_at == found.last_active_at + 86400

    within(tmp_path, "", go)


def test_nothing_is_left_of_files_that_are_taken_out_early(
    tmp_path: Path, database_url: str
) -> None:
    async def go(services: Services) -> None:
        made = await store(services, "endless")
        stores = services.vector_stores
        files = [await upload(services, f"fox {n}") for n in range(4)]
        new = [NewFile(file, {}, Chunking()) for file in files]
        batch = await stores.add_batch(IDENTITY, made.id, new)
        await until(services, made.id, lambda counts: counts.of("in_progress") == 4)
        await stores.remove_file(OWNER, made.id, files[0])
        await services.files.delete(OWNER, files[1])
        await stores.cancel_batch(OWNER, made.id, batch.id)
        counts = await done(services, made.id)
        assert counts.files == {"cancelled": 2}
        database = await services.store.database()
        await stores.delete(OWNER, made.id)
        for table in ("vector_stores", "vector_store_files", "vector_store_batches"):
            assert await database.read(f"select * from {table}") == []
        await until_none(database, "select 1 from jobs where ended_at is null")
        assert await segments(services) == 0
        assert not [*(tmp_path / "reading").glob("*")]

    within(tmp_path, database_url, go)


def test_a_store_refuses_the_vectors_of_another_model(tmp_path: Path) -> None:
    @asynccontextmanager
    async def server(dimensions: int) -> AsyncIterator[Services]:
        spec = ModelSpec(id="echo", engine="echo", options={"dimensions": dimensions})
        app = create_app(echo_settings(data=tmp_path, models=(spec,)))
        async with app.router.lifespan_context(app):
            yield app.state.services

    async def scenario() -> None:
        async with server(8) as before:
            id = (await store(before)).id
            await add(before, id, "fox")
        async with server(12) as after:
            with pytest.raises(InvalidRequest) as caught:
                await search(after, [id], "fox")
            assert caught.value.code == "embedding_model_changed"
            file = await add(after, id, "owl")
            found = await after.vector_stores.files.find(id, file)
            assert found.status == "failed"
            assert found.fields.error is not None
            assert "cannot be compared" in found.fields.error.message

    asyncio.run(scenario())


def test_a_file_fails_in_the_end(tmp_path: Path, database_url: str) -> None:

    async def go(services: Services) -> None:
        made = await store(services, "endless")
        file = await upload(services, "fox")
        new = NewFile(file, {}, Chunking())
        added = await services.vector_stores.add_file(IDENTITY, made.id, new)
        files = services.vector_stores.files
        async with (await services.store.database()).write() as query:
            assert await services.jobs.request(query, added.entry, "cancel") is not None
        async with (await services.store.database()).write() as query:
            error = FileError("server_error", "It broke.")
            await files.fail(query, made.id, file, "vsfile_of_before", error)
            await files.fail(query, made.id, file, added.entry, error)
            await files.fail(query, made.id, "file-none", added.entry, error)
        failed = await files.find(made.id, file)
        assert failed.fields.error is not None
        assert (failed.status, failed.fields.error.message) == ("failed", "It broke.")
        page = await files.page(made.id, Cursor(), status="failed")
        assert [one.file for one in page.items] == [file]

    within(tmp_path, database_url, go)


def test_what_killed_servers_left_is_deleted(tmp_path: Path) -> None:
    for name, age in (("file-old", 2 * 86400), ("file-new", 60)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "content").touch()
        os.utime(folder, (time.time() - age, time.time() - age))
    asyncio.run(delete_left(tmp_path))
    assert [one.name for one in tmp_path.iterdir()] == ["file-new"]
    asyncio.run(delete_left(tmp_path / "none"))
