"""Who changes what belongs to a job locks the job first, as the job's own steps do: otherwise two
transactions could wait for each other, and PostgreSQL would end one of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import pytest

from openedai.jobs.jobs import Jobs
from openedai.jobs.leases import Leases
from openedai.serving.batches.service import KIND as BATCH
from openedai.serving.batches.service import Batches
from openedai.serving.fine_tuning.jobs import FineTuning
from openedai.serving.responses.keeping import ResponseKeeping
from openedai.store.batches import Batch
from openedai.store.conversations.responses import KIND as RESPONSE
from openedai.store.conversations.responses import StoredResponse
from openedai.store.database import Query
from openedai.store.fine_tuning import KIND as TRAINING
from openedai.store.fine_tuning import FineTuningRecords, JobRecord
from openedai.store.store import Store
from tests.databases import new_database

OWNER = ""
Lock = Callable[[Query], Awaitable[object]]
Change = Callable[[], Coroutine[Any, Any, object]]


async def batch(store: Store, jobs: Jobs) -> tuple[Lock, Change]:
    service = Batches(store, cast("Any", None), jobs)
    record = Batch(
        id="batch_1",
        owner=OWNER,
        endpoint="/v1/chat/completions",
        input_file_id="file-1",
        completion_window="24h",
        status="in_progress",
        created_at=1,
        expires_at=time.time() + 1000,
    )
    async with (await store.database()).write() as query:
        await service.records.insert(query, record)
        await jobs.add(query, BATCH, record.id, {})
    return (
        lambda query: service.records.lock(query, record.id),
        lambda: service.cancel(OWNER, record.id),
    )


async def training(store: Store, jobs: Jobs) -> tuple[Lock, Change]:
    records = FineTuningRecords(store)
    service = FineTuning(store, records, *cast("Any", (None, jobs, None, None)))
    record = JobRecord(id="ftjob-1", created_at=1, model="m", training_file="file-1", owner=OWNER)
    async with (await store.database()).write() as query:
        await records.insert(query, record)
        await jobs.add(query, TRAINING, record.id, {})
    return (
        lambda query: records.locked(query, record.id),
        lambda: service.cancel(OWNER, record.id),
    )


async def response(store: Store, jobs: Jobs) -> tuple[ResponseKeeping, StoredResponse]:
    keeping = ResponseKeeping(store, jobs, 0)
    record = StoredResponse(
        id="resp_1",
        owner=OWNER,
        created_at=1,
        expires_at=None,
        status="in_progress",
        background=1,
        streamed=0,
        previous=None,
        conversation=None,
        response="{}",
        output="[]",
        input="[]",
    )
    await keeping.begin(record, {})
    return keeping, record


async def cancelled_response(store: Store, jobs: Jobs) -> tuple[Lock, Change]:
    keeping, record = await response(store, jobs)
    return (
        lambda query: keeping.responses.lock(query, record.id),
        lambda: keeping.cancel(OWNER, record.id),
    )


async def deleted_response(store: Store, jobs: Jobs) -> tuple[Lock, Change]:
    keeping, record = await response(store, jobs)
    return (
        lambda query: keeping.responses.lock(query, record.id),
        lambda: keeping.delete(OWNER, record.id),
    )


@pytest.mark.parametrize("case", [batch, training, cancelled_response, deleted_response])
def test_a_change_in_the_middle_of_a_step(
    tmp_path: Path,
    postgres: str,
    case: Callable[[Store, Jobs], Awaitable[tuple[Lock, Change]]],
) -> None:
    url = new_database(postgres)

    async def scenario() -> None:
        store = Store(tmp_path, url)
        database = await store.database()
        lock, change = await case(store, Jobs(store))
        leases = Leases(store, "server", 100)
        claim = await leases.claim([BATCH, TRAINING, RESPONSE])
        assert claim is not None
        async with asyncio.timeout(60):
            async with leases.step(claim.id, claim.fence) as query:
                changing = asyncio.create_task(change())
                waiting = "select count(*) from pg_locks where not granted"
                while await database.read(waiting) == [(0,)]:
                    assert not changing.done()
                    await asyncio.sleep(0.01)
                await lock(query)
            await changing
        await store.close()

    asyncio.run(scenario())
