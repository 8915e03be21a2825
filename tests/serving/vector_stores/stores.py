"""Vector stores without HTTP, of the owner `key`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from openedai.api.openai.dialect import OPENAI
from openedai.http.exchange import Exchange
from openedai.identity import Identity
from openedai.search.filters import Filter
from openedai.search.rank import BOTH, Weights
from openedai.serving.services import Services
from openedai.serving.vector_stores.searching import StoreQuery
from openedai.serving.vector_stores.service import NewFile
from openedai.store.database import Database
from openedai.store.files import new_file
from openedai.store.vector_stores.files import Attributes, Chunking
from openedai.store.vector_stores.stores import Counts, StoreFields, VectorStore

OWNER = "key"
IDENTITY = Identity(project=OWNER)


async def store(
    services: Services, model: str | None = None, days: int | None = None
) -> VectorStore:
    fields = StoreFields(model="", days=days)
    return await services.vector_stores.create(IDENTITY, fields, [], model)


async def upload(services: Services, text: str, name: str = "a.txt") -> str:
    data = text.encode()
    async with services.files.writing(OWNER) as writing:
        await writing.add(data)
        record = new_file("assistants", name, len(data), OWNER)
        await services.files.create(record, writing)
    return record.id


async def add(services: Services, id: str, text: str, attributes: Attributes | None = None) -> str:
    """The id of a file that is searched from now on."""
    file = await upload(services, text)
    await services.vector_stores.add_file(IDENTITY, id, NewFile(file, attributes or {}, Chunking()))
    await done(services, id)
    return file


async def until(services: Services, id: str, check: Callable[[Counts], bool]) -> Counts:
    async with asyncio.timeout(100):
        while True:
            found = await services.vector_stores.stores.find(OWNER, id)
            counts = await services.vector_stores.counts(found)
            if check(counts):
                return counts
            await asyncio.sleep(0.02)


async def done(services: Services, id: str) -> Counts:
    return await until(services, id, lambda counts: not counts.of("in_progress"))


async def search(
    services: Services,
    ids: Sequence[str],
    text: str,
    filter: Filter | None = None,
    weights: Weights = BOTH,
) -> list[str]:
    """The ids of the files that are found, each as often as it is."""
    exchange = Exchange("req_1", "POST", "/v1/vector_stores", OPENAI, identity=IDENTITY)
    query = StoreQuery([text], limit=50, filter=filter, weights=weights, rerank="never")
    _, results = await services.store_search.run(exchange, ids, query)
    return sorted(result.hit.file.file for result in results)


async def until_none(database: Database, sql: str) -> None:
    """Until a query has no rows."""
    await _until(database, sql, some=False)


async def until_some(database: Database, sql: str) -> None:
    """Until a query has rows."""
    await _until(database, sql, some=True)


async def _until(database: Database, sql: str, *, some: bool) -> None:
    async with asyncio.timeout(60):
        while True:
            if bool(await database.read(sql)) == some:
                return
            await asyncio.sleep(0.02)
