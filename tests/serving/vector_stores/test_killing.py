"""Servers that are killed while files are embedded: each file is there once, on both databases."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from pathlib import Path

import pytest

from openedai.search.rank import Weights
from openedai.serving.services import Services
from openedai.serving.vector_stores.service import NewFile
from openedai.store.vector_stores.files import Chunking
from openedai.store.vector_stores.stores import Counts
from tests.serving.servers import app_of, end, process, ready, running
from tests.serving.vector_stores.stores import (
    IDENTITY,
    done,
    search,
    store,
    until,
    until_some,
    upload,
)

pytestmark = pytest.mark.torture

FILES = 16


def test_each_file_is_searched_once_whoever_is_killed(tmp_path: Path, database_url: str) -> None:
    choose = random.Random(11)
    services: Services = app_of(tmp_path, database_url).state.services

    async def scenario() -> None:
        made = await store(services, "slow")
        files = [await upload(services, f"fox {n}. " + "word " * 3000) for n in range(FILES)]
        servers = [ready(process(tmp_path, database_url)) for _ in range(2)]
        try:
            new = [NewFile(file, {}, Chunking(100, 0)) for file in files]
            await services.vector_stores.add_batch(IDENTITY, made.id, new)
            await until(services, made.id, partial(at_least, FILES // 4))
            await asyncio.sleep(choose.uniform(0, 0.05))
            for server in servers:
                end(server)
            servers = [ready(process(tmp_path, database_url))]
            counts = await done(services, made.id)
        finally:
            for server in servers:
                end(server)
        assert counts.files == {"completed": FILES}
        await require_all(services, made.id, files)
        await services.store.close()

    asyncio.run(scenario())


def at_least(least: int, counts: Counts) -> bool:
    return counts.of("completed") >= least


async def require_all(services: Services, id: str, files: list[str]) -> None:
    database = await services.store.database()
    rows = await database.read(
        "select file, bytes, (select sum(size) from blobs where holder=segment) "
        "from vector_store_files"
    )
    assert sorted(file for file, _, _ in rows) == sorted(files)
    assert all(size == kept for _, size, kept in rows)
    ((holders,),) = await database.read(
        "select count(distinct holder) from blobs where holder like 'vsseg_%'"
    )
    assert holders == len(files)
    ((fence,),) = await database.read("select max(fence) from jobs")
    assert fence > 1, "nothing was taken over"
    # One chunk of each file has the word.
    assert await search(services, [id], "fox", weights=Weights(0, 1)) == sorted(files)


def test_a_server_on_sigterm_leaves_its_files_to_another_at_once(
    tmp_path: Path, database_url: str
) -> None:
    services: Services = app_of(tmp_path, database_url).state.services

    async def scenario() -> None:
        made = await store(services, "slow")
        files = [await upload(services, "word " * 60000) for _ in range(2)]
        first = ready(process(tmp_path, database_url, lease=3600))
        # Together, so that the server finds both at once: it looks once a second.
        new = [NewFile(file, {}, Chunking(20, 0)) for file in files]
        await services.vector_stores.add_batch(IDENTITY, made.id, new)
        database = await services.store.database()
        running_jobs = "select count(*) as number from jobs where state='running'"
        await until_some(database, f"select 1 from ({running_jobs}) as found where number=2")
        first.terminate()
        with first:
            assert first.wait(30) == 0
        assert await database.read("select state from jobs") == [("queued",)] * 2
        async with running(tmp_path, database_url, lease=3600) as second:
            counts = await done(second, made.id)
        assert counts.files == {"completed": 2}
        await services.store.close()

    asyncio.run(scenario())
