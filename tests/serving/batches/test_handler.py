"""Batches on both databases, without HTTP."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from openedai.serving.batches.handler import BatchHandler
from openedai.serving.services import Services
from openedai.store.batches import Batch
from tests.serving.batches.lines import ended, line, lines_of, start, until
from tests.serving.servers import app_of, within


async def change(services: Services, id: str, **values: object) -> None:
    async with (await services.store.database()).write() as query:
        batch = await services.batches.records.lock(query, id)
        for name, value in values.items():
            setattr(batch, name, value)
        await services.batches.records.update(query, batch)


def test_many_lines(tmp_path: Path, database_url: str) -> None:
    names = [f"line {number}" for number in range(1200)]

    async def go(services: Services) -> None:
        batch = await start(services, [line(name, "echo") for name in names])
        batch = await ended(services, batch.id)
        assert (batch.completed, batch.failed) == (1200, 0)
        output = await lines_of(services, batch.output_file_id)
        assert [one["custom_id"] for one in output] == names
        database = await services.store.database()
        assert await database.read("select count(*) from batch_lines") == [(0,)]

    within(tmp_path, database_url, go)


def test_a_store_that_cannot_be_used_delays_a_batch(
    tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What was answered is in its files when the store is back."""
    names = [f"line {number}" for number in range(6)]
    kept = tmp_path / "elsewhere"

    async def go(services: Services) -> None:
        batch = await start(services, [line(name, "slow") for name in names])
        await until(services, batch.id, lambda one: one.completed >= 1)
        (tmp_path / "blobs").rename(kept)
        (tmp_path / "blobs").touch()
        wait = f"{batch.id} waits"
        batch = await until(
            services, batch.id, lambda one: sum(wait in text for text in caplog.messages) >= 2
        )
        assert (batch.status, batch.completed, batch.output_file_id) == ("finalizing", 6, None)
        (tmp_path / "blobs").unlink()
        kept.rename(tmp_path / "blobs")
        batch = await ended(services, batch.id)
        assert (batch.status, batch.completed, batch.failed) == ("completed", 6, 0)
        output = await lines_of(services, batch.output_file_id)
        assert [one["custom_id"] for one in output] == names

    within(tmp_path, database_url, go)


def test_an_expired_batch_keeps_what_is_answered(tmp_path: Path, database_url: str) -> None:
    async def go(services: Services) -> None:
        lines = [line("wrong", "endless", temperature=9)]
        lines += [line(f"slow {number}", "endless") for number in range(30)]
        batch = await start(services, lines)
        await until(services, batch.id, lambda one: one.failed == 1)

    within(tmp_path, database_url, go)

    async def expired(services: Services) -> None:
        (batch,) = await services.batches.records.page("key", 1)
        batch = await ended(services, batch.id)
        assert (batch.status, batch.output_file_id) == ("expired", None)
        assert batch.expired_at is not None
        errors = await lines_of(services, batch.error_file_id)
        codes = Counter(one["error"]["code"] for one in errors if one["error"])
        assert codes == {"batch_expired": 30}
        assert errors[0]["response"]["status_code"] == 400

    async def expire() -> None:
        services: Services = app_of(tmp_path, database_url).state.services
        (batch,) = await services.batches.records.page("key", 1)
        await change(services, batch.id, expires_at=time.time())
        await services.store.close()

    asyncio.run(expire())
    within(tmp_path, database_url, expired)


@pytest.mark.parametrize("again", [False, True])
def test_a_batch_that_nobody_runs_is_cancelled_with_what_is_answered(
    tmp_path: Path, database_url: str, again: bool
) -> None:
    """Also `again`, after a server has stopped before it noticed the first time."""

    async def begin(services: Services) -> None:
        lines = [line("wrong", "endless", temperature=9), line("slow", "endless")]
        batch = await start(services, lines)
        await until(services, batch.id, lambda one: one.failed == 1)

    async def finish(services: Services) -> None:
        (batch,) = await services.batches.records.page("key", 1)
        batch = await ended(services, batch.id)
        assert batch.status == "cancelled"
        errors = await lines_of(services, batch.error_file_id)
        assert [one["custom_id"] for one in errors] == ["wrong", "slow"]

    async def cancel() -> None:
        services: Services = app_of(tmp_path, database_url).state.services
        (batch,) = await services.batches.records.page("key", 1)
        if again:
            await change(services, batch.id, status="cancelling", cancelling_at=time.time())
        for _ in range(2):
            assert (await services.batches.cancel("key", batch.id)).status == "cancelling"
        await services.store.close()

    within(tmp_path, database_url, begin)
    asyncio.run(cancel())
    within(tmp_path, database_url, finish)


def test_a_batch_fails_with_its_job(tmp_path: Path, database_url: str) -> None:
    async def go(services: Services) -> None:
        batch = await start(services, [line("a", "endless")])
        await until(services, batch.id, lambda one: one.status == "in_progress")
        handler = BatchHandler(
            services.batches.records,
            services.files,
            services.store.contents,
            None,  # type: ignore[arg-type]
            check_model=lambda endpoint, name: None,
            slots=lambda name: 1,
            max_body_bytes=1000,
        )
        async with (await services.store.database()).write() as query:
            await handler.fail(query, batch.id, {"batch": batch.id}, "It broke.")
        failed: Batch = await services.batches.records.find("key", batch.id)
        assert failed.status == "failed"
        assert [one.message for one in failed.errors] == ["It broke."]

    within(tmp_path, database_url, go)


def test_two_batches_share_the_slots(tmp_path: Path) -> None:
    """The small one does not wait for the end of the large one."""

    async def go(services: Services) -> None:
        large = await start(services, [line(f"a{n}", "slow") for n in range(300)])
        await until(services, large.id, lambda one: one.completed > 0)
        small = await start(services, [line(f"b{n}", "slow") for n in range(10)])
        assert (await ended(services, small.id)).completed == 10
        large = await services.batches.records.find("key", large.id)
        assert large.status == "in_progress"
        assert large.completed < 150

    within(tmp_path, "", go)
