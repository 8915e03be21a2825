"""A large file whose server stops: the next one goes on, and nothing is left over."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from openedai.search.rank import Weights
from openedai.serving.services import Services
from openedai.serving.vector_stores.saving import SAVED_TEXTS
from openedai.serving.vector_stores.service import NewFile
from openedai.store.vector_stores.files import Chunking, FileError
from tests.serving.servers import app_of, running
from tests.serving.vector_stores.stores import (
    IDENTITY,
    OWNER,
    done,
    search,
    store,
    until_none,
    until_some,
    upload,
)

CHUNK = 20  # tokens, which are words here
CHUNKS = 4 * SAVED_TEXTS
SAVED = "select progress from jobs where progress is not null"


async def large(services: Services, model: str = "slow") -> tuple[str, str]:
    """A store and its file, which is being read."""
    made = await store(services, model)
    words = "word " * (CHUNK * CHUNKS - 1)
    file = await upload(services, f"{words}fox")
    new = NewFile(file, {}, Chunking(CHUNK, 0))
    await services.vector_stores.add_file(IDENTITY, made.id, new)
    return made.id, file


async def blobs(services: Services, prefix: str) -> int:
    database = await services.store.database()
    rows = await database.read("select holder from blobs")
    return sum(holder.startswith(prefix) for (holder,) in rows)


def embedded(services: Services) -> int:
    """The tokens that this server embedded."""
    found = re.findall(
        r'openedai_tokens_total\{kind="prompt",model="slow"\} ([0-9.e+]+)',
        services.metrics.render().decode(),
    )
    return sum(int(float(number)) for number in found)


def test_another_server_goes_on_where_the_first_one_was(tmp_path: Path, database_url: str) -> None:
    async def scenario() -> None:
        async with running(tmp_path, database_url) as first:
            id, file = await large(first)
            await until_some(await first.store.database(), SAVED)
        between: Services = app_of(tmp_path, database_url).state.services
        ((text,),) = await (await between.store.database()).read(SAVED)
        await between.store.close()
        saved = json.loads(text)["vectors"]
        assert SAVED_TEXTS <= saved < CHUNKS
        async with running(tmp_path, database_url) as second:
            assert (await done(second, id)).files == {"completed": 1}
            others = CHUNK * (CHUNKS - saved)
            assert 0 < embedded(second) - others < CHUNK  # with the store's fixed text
            assert await search(second, [id], "fox", weights=Weights(0, 1)) == [file]
            assert await blobs(second, "vsfile_") == 0
            assert await blobs(second, "vsseg_") > 0
            found = await second.vector_stores.files.find(id, file)
            segment = await second.search_caches.segment(found)
        assert segment is not None
        assert list(segment.owners) == list(range(CHUNKS))
        vectors = segment.vectors()
        assert (vectors[: saved + 1] == vectors[0]).all()

    asyncio.run(scenario())


def test_what_was_saved_of_another_text_is_left_out(tmp_path: Path, database_url: str) -> None:
    async def scenario() -> None:
        async with running(tmp_path, database_url) as first:
            id, _ = await large(first)
            await until_some(await first.store.database(), SAVED)
        between: Services = app_of(tmp_path, database_url).state.services
        async with (await between.store.database()).write() as query:
            await query.run("update jobs set progress=$1", '{"digest": "other", "vectors": 512}')
        await between.store.close()
        async with running(tmp_path, database_url) as second:
            assert (await done(second, id)).files == {"completed": 1}
            assert embedded(second) > CHUNK * CHUNKS
            assert await blobs(second, "vsfile_") == 0

    asyncio.run(scenario())


async def _remove_file(services: Services, id: str, file: str) -> None:
    await services.vector_stores.remove_file(OWNER, id, file)


async def _delete_file(services: Services, id: str, file: str) -> None:
    await services.files.delete(OWNER, file)


async def _delete_store(services: Services, id: str, file: str) -> None:
    await services.vector_stores.delete(OWNER, id)


async def _fail(services: Services, id: str, file: str) -> None:
    found = await services.vector_stores.files.find(id, file)
    error = FileError("server_error", "It broke.")
    async with (await services.store.database()).write() as query:
        await services.jobs.lock(query, found.entry)
        await services.vector_stores.files.fail(query, id, file, found.entry, error)
        await services.jobs.remove(query, found.entry)


@pytest.mark.parametrize("end", [_remove_file, _delete_file, _delete_store, _fail])
def test_nothing_is_left_of_a_file_that_is_not_finished(
    end: Callable[[Services, str, str], Awaitable[None]], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running(tmp_path, "") as services:
            id, file = await large(services)
            database = await services.store.database()
            await until_some(database, "select 1 from blobs where holder like 'vsfile_%'")
            await end(services, id, file)
            await until_none(database, "select 1 from jobs where ended_at is null")
            assert await blobs(services, "vs") == 0

    asyncio.run(scenario())


def test_nothing_is_left_of_a_batch_that_is_cancelled(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, "") as services:
            made = await store(services, "slow")
            file = await upload(services, "word " * (CHUNK * CHUNKS))
            new = NewFile(file, {}, Chunking(CHUNK, 0))
            batch = await services.vector_stores.add_batch(IDENTITY, made.id, [new])
            database = await services.store.database()
            await until_some(database, "select 1 from blobs where holder like 'vsfile_%'")
            await services.vector_stores.cancel_batch(OWNER, made.id, batch.id)
            assert await blobs(services, "vs") == 0

    asyncio.run(scenario())
