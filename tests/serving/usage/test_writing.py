"""Groups of records, and a database that cannot be used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import pytest

from openedai.errors import Unavailable
from openedai.serving.usage import writing
from openedai.serving.usage.writing import MOST_WAITING, UsageWriter
from openedai.store.usage.records import UsageRecord, UsageRecords


class Scripted:
    """Fails while it is `broken`."""

    def __init__(self) -> None:
        self.broken = False
        self.groups: list[list[str]] = []
        self.attempts = 0

    async def write(self, group: Sequence[UsageRecord]) -> None:
        self.attempts += 1
        if self.broken:
            raise Unavailable("The server has no space left for its data.")
        self.groups.append([record.id for record in group])


@pytest.fixture
def records() -> Scripted:
    return Scripted()


@pytest.fixture
def writer(records: Scripted) -> UsageWriter:
    return UsageWriter(cast("UsageRecords", records), seconds=0.01)


def record(number: int) -> UsageRecord:
    return UsageRecord(
        id=f"{number}", at=1, request="req_1", model="m", route="/v1/embeddings", status=200
    )


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await scenario()

    asyncio.run(limited())


async def until(check: Callable[[], bool]) -> None:
    while not check():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def test_records_are_written_together(writer: UsageWriter, records: Scripted) -> None:
    async def scenario() -> None:
        for number in range(5):
            writer.add(record(number))
        assert not records.groups
        await until(lambda: not len(writer))
        writer.add(record(5))
        await until(lambda: not len(writer))

    run(scenario)
    assert records.groups == [["0", "1", "2", "3", "4"], ["5"]]


def test_many_are_written_at_once(records: Scripted) -> None:
    """Without waiting for the time of a group, which is long here."""
    writer = UsageWriter(cast("UsageRecords", records), seconds=1000)

    async def scenario() -> None:
        for number in range(1500):
            writer.add(record(number))
        await until(lambda: bool(records.groups))
        assert [len(group) for group in records.groups] == [1000]
        await writer.close()

    run(scenario)
    assert [len(group) for group in records.groups] == [1000, 500]


def test_a_database_that_fails_for_a_while(
    writer: UsageWriter, records: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "openedai.usage")

    async def scenario() -> None:
        records.broken = True
        for number in range(MOST_WAITING + 10):
            writer.add(record(number))
        await until(lambda: records.attempts > 3)
        for number in range(MOST_WAITING + 10, MOST_WAITING + 20):
            writer.add(record(number))
        assert len(writer) == MOST_WAITING
        records.broken = False
        await until(lambda: not len(writer))

    run(scenario)
    assert writer.dropped == 20
    written = [id for group in records.groups for id in group]
    assert len(written) == len(set(written)) == MOST_WAITING
    assert written[-1] == str(MOST_WAITING + 19)
    messages = [one.getMessage() for one in caplog.records if one.name == "openedai.usage"]
    assert len(messages) == 2
    assert messages[0].startswith("usage cannot be written now: The server has no space left")
    assert messages[1] == "usage is written again; 20 records were dropped so far"


def test_the_end_does_not_wait_for_a_broken_database(
    writer: UsageWriter, records: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        records.broken = True
        writer.add(record(1))
        await writer.close()

    run(scenario)
    assert "the usage of 1 requests was not written" in caplog.text


def test_a_fault_is_logged_and_the_writer_goes_on(
    writer: UsageWriter, records: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        write, failed = records.write, False

        async def fail_once(group: Sequence[UsageRecord]) -> None:
            nonlocal failed
            if not failed:
                failed = True
                raise RuntimeError("a fault")
            await write(group)

        records.write = fail_once  # type: ignore[method-assign]
        writer.add(record(1))
        await until(lambda: not len(writer))

    run(scenario)
    assert records.groups == [["1"]]
    assert "RuntimeError: a fault" in caplog.text


def test_the_time_of_a_group_is_some_seconds() -> None:
    """What a server that is killed loses; docs/usage.md says it."""
    assert writing.SECONDS == 2
