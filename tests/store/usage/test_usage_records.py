"""Records of usage and their sums, on both databases."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openedai.store.databases.sqlite import Sqlite
from openedai.store.store import Store
from openedai.store.usage.records import HOUR, UsageRecord, UsageRecords
from openedai.store.usage.sums import DAY, MINUTE, UsageFilter, UsageSums, statement

START = 1_700_006_400  # midnight
NAMES = ("a", "b")


def record(number: int, **values: Any) -> UsageRecord:
    defaults: dict[str, Any] = {
        "id": f"usage_{number:06}",
        "at": START + number,
        "request": f"req_{number}",
        "kind": "completions",
        "model": "m",
        "route": "/v1/chat/completions",
        "status": 200,
    }
    return UsageRecord(**{**defaults, **values})


RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.integers(START, START + 3 * DAY - 1),
            "kind": st.sampled_from(("completions", "embeddings")),
            "model": st.sampled_from(NAMES),
            "project": st.sampled_from(NAMES),
            "origin": st.sampled_from(("", "batch")),
            "status": st.sampled_from((200, 500)),
            "prompt_tokens": st.integers(0, 10**12),
            "first_token_seconds": st.none() | st.just(0.5),
            "output_cost": st.integers(0, 100).map(float),
        }
    ),
    max_size=30,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    made=RECORDS,
    width=st.sampled_from((MINUTE, HOUR, DAY, None)),
    first=st.integers(0, 3),
    days=st.integers(1, 3),
    group=st.lists(st.sampled_from(("model", "project", "origin", "kind")), unique=True),
    batch=st.none() | st.booleans(),
    only=st.dictionaries(st.just("model"), st.lists(st.sampled_from(NAMES), min_size=1)),
)
def test_sums_are_those_of_the_records(
    store: Store,
    made: list[dict[str, Any]],
    width: int | None,
    first: int,
    days: int,
    group: list[str],
    batch: bool | None,
    only: dict[str, list[str]],
) -> None:
    records = [record(number, **values) for number, values in enumerate(made)]
    start, end = START + first * DAY, START + (first + days) * DAY

    async def scenario() -> list[tuple[Any, ...]]:
        await store.database()
        await _empty(store)
        usage = UsageRecords(store, 10.0**9, 1000)
        for at in range(0, len(records), 7):
            await usage.write(records[at : at + 7])
        found = await UsageSums(store).read(start, end, width, group, UsageFilter(only, batch))
        await store.close()
        numbers = [
            (one.requests, one.failed, one.prompt_tokens, one.first_tokens, one.cost)
            for one in found
        ]
        keys = [(one.start, *one.values.values()) for one in found]
        assert keys == sorted(keys)
        return list(zip(keys, numbers, strict=True))

    expected: defaultdict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0] * 5)
    for one in records:
        if not start <= one.at < end or one.model not in only.get("model", NAMES):
            continue
        if batch is not None and (one.origin == "batch") is not batch:
            continue
        bucket = start if width is None else one.at // width * width
        sums = expected[(bucket, *(getattr(one, name) for name in group))]
        first_token = one.first_token_seconds is not None
        values = (1, one.status >= 400, one.prompt_tokens, first_token, one.output_cost)
        for index, value in enumerate(values):
            sums[index] += value
    assert asyncio.run(scenario()) == [(key, tuple(expected[key])) for key in sorted(expected)]


async def _empty(store: Store) -> None:
    async with (await store.database()).write() as query:
        await query.run("delete from usage_records")
        await query.run("delete from usage_hours")


def test_a_group_is_written_once(store: Store) -> None:
    async def scenario() -> None:
        usage = UsageRecords(store, 10.0**9, 1000)
        group = [record(number, prompt_tokens=1) for number in range(3)]
        await usage.write(group)
        await usage.write(group)  # as after a connection that was lost in the commit
        (found,) = await UsageSums(store).read(START, START + DAY, None)
        assert (found.requests, found.prompt_tokens) == (3, 3)
        await store.close()

    asyncio.run(scenario())


def test_two_servers_that_write_at_once(store: Store) -> None:
    async def scenario() -> None:
        usage = UsageRecords(store, 10.0**9, 1000)

        async def write(server: int) -> None:
            for group in range(20):
                at = 100 * group + 10 * server
                models = NAMES if server else NAMES[::-1]
                group_of_two = [record(at + n, model=models[n], at=START) for n in range(2)]
                await usage.write(group_of_two)

        await asyncio.gather(write(0), write(1))
        found = await UsageSums(store).read(START, START + DAY, HOUR, ["model"])
        assert [(one.values["model"], one.requests) for one in found] == [("a", 40), ("b", 40)]
        await store.close()

    asyncio.run(scenario())


def test_what_is_old_or_too_much_is_deleted(store: Store) -> None:
    now = int(time.time())

    async def scenario() -> None:
        usage = UsageRecords(store, 10.0 * DAY, 3)
        old = [record(number, at=now - 20 * DAY) for number in range(4)]
        new = [record(10 + number, at=now - number) for number in range(5)]
        await usage.write([*old, *new])
        await usage.sweep()
        database = await store.database()
        rows = await database.read("select id from usage_records order by at desc")
        assert [id for (id,) in rows] == [one.id for one in new[:3]]
        total = await UsageSums(store).read(0, now + DAY, None)
        assert [one.requests for one in total] == [5]
        await store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("width", [MINUTE, HOUR, DAY])
def test_sums_search_by_time(tmp_path: Any, width: int) -> None:
    """SQLite's plan uses an index for the time, however many rows there are."""

    async def scenario() -> str:
        store = Store(tmp_path)
        database = await store.database()
        assert isinstance(database, Sqlite)
        filter = UsageFilter({"kind": ["completions"], "project": ["p"]}, batch=False)
        sql, args = statement(START, START + DAY, width, ["model"], filter)
        rows = await database.read(f"explain query plan {sql}", *args)
        await store.close()
        return "\n".join(row[3] for row in rows)

    plan = asyncio.run(scenario())
    column = "at" if width == MINUTE else "hour"
    assert "SEARCH" in plan
    assert f"({column}>? AND {column}<?)" in plan
