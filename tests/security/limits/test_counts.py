"""Counters in memory and in databases, of one server and of several."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from openedai.config.limits import LimitSettings
from openedai.errors import Unavailable
from openedai.security.limits.counter import HOLD, Charge
from openedai.security.limits.counts import Counts
from openedai.security.limits.memory import MemoryCounts
from openedai.security.limits.rules import Rules, Subject
from openedai.security.limits.scopes import Cost, Refusal, Scope
from openedai.security.limits.shared import SharedCounts
from openedai.store.database import Query
from openedai.store.limits import LimitRecords
from openedai.store.store import Store

NOON = 1_795_780_800.0
NOTHING = Cost()


class Breakable(LimitRecords):
    broken = False

    async def load(self, query: Query, counters: Sequence[str]) -> tuple[float, dict[str, str]]:
        if self.broken:
            raise Unavailable("The server cannot use its database now.")
        return await super().load(query, counters)


def scopes_of(**limits: Any) -> tuple[Scope, ...]:
    return Rules(LimitSettings(**limits)).scopes(Subject("k", "n", "p", "m"))


async def send(counts: Counts, scopes: tuple[Scope, ...], cost: Cost = NOTHING) -> Charge | Refusal:
    return await counts.admit(scopes, cost, background=False)


async def served(counts: Counts, scopes: tuple[Scope, ...], cost: Cost = NOTHING) -> Charge:
    result = await send(counts, scopes, cost)
    assert isinstance(result, Charge), result
    return result


async def refusal(counts: Counts, scopes: tuple[Scope, ...], cost: Cost = NOTHING) -> Refusal:
    result = await send(counts, scopes, cost)
    assert isinstance(result, Refusal), result
    return result


def run(function: Any, store: Store) -> None:
    async def main() -> None:
        try:
            await function(LimitRecords(store))
        finally:
            await store.close()

    asyncio.run(main())


def test_servers_that_share_a_database_keep_one_limit(store: Store) -> None:
    async def main(records: LimitRecords) -> None:
        servers = [SharedCounts(records) for _ in range(3)]
        scopes = scopes_of(requests_per_minute=40, tokens_per_minute=10_000, tokens_per_day=99_999)
        results = await asyncio.gather(*(send(servers[n % 3], scopes, Cost(10)) for n in range(90)))
        assert sum(isinstance(one, Charge) for one in results) == 40
        refused = [one for one in results if isinstance(one, Refusal)]
        assert {(one.limit, one.used) for one in refused} == {(40, 40)}
        charge = next(one for one in results if isinstance(one, Charge))
        servers[0].change(charge, {"tokens": 590})
        await servers[0].close()
        await refusal(servers[1], scopes)
        assert servers[1].standing(scopes)["tokens"].remaining == 10_000 - 990

    run(main, store)


def test_tokens_never_exceed_the_limit_by_what_is_known(store: Store) -> None:
    async def main(records: LimitRecords) -> None:
        servers = [SharedCounts(records) for _ in range(2)]
        scopes = scopes_of(tokens_per_minute=1_000)
        results = await asyncio.gather(
            *(send(servers[n % 2], scopes, Cost(33, likely_tokens=100)) for n in range(40))
        )
        charges = [one for one in results if isinstance(one, Charge)]
        assert sum(one.amounts["tokens"] for one in charges) <= 1_000
        assert len(charges) >= 7

    run(main, store)


def test_requests_at_once_of_all_servers(store: Store) -> None:
    async def main(records: LimitRecords) -> None:
        one, other = SharedCounts(records), SharedCounts(records)
        scopes = scopes_of(requests_at_once=2)
        first = await served(one, scopes)
        await served(other, scopes)
        await refusal(one, scopes)
        one.change(first, {}, hold=-1)
        await one.close()
        await served(other, scopes)
        await refusal(one, scopes)
        await other.close()

    run(main, store)


def test_a_dead_server_holds_nothing_for_long(store: Store) -> None:
    async def main(records: LimitRecords) -> None:
        dead, other = SharedCounts(records), SharedCounts(records)
        scopes = scopes_of(requests_at_once=1)
        await served(dead, scopes)
        await dead.close()
        await refusal(other, scopes)
        database = await records.store.database()
        async with database.write() as query:  # as if the time had passed
            _, states = await records.load(query, [scopes[0].name])
            (state,) = states.values()
            counter = msgspec.json.decode(state)
            (hold,) = counter["holds"].values()
            hold[1] -= HOLD
            text = msgspec.json.encode(counter).decode()
            await records.save(query, {scopes[0].name: text}, 0.0)
        await served(other, scopes)
        await other.close()

    run(main, store)


def test_a_cancelled_request_is_not_counted(store: Store) -> None:
    async def main(records: LimitRecords) -> None:
        counts = SharedCounts(records)
        scopes = scopes_of(requests_per_minute=5, requests_at_once=5)
        await served(counts, scopes)
        tasks = [asyncio.create_task(send(counts, scopes)) for _ in range(4)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await counts.close()
        for _ in range(4):
            await served(counts, scopes)
        await refusal(counts, scopes)
        await counts.close()

    run(main, store)


def test_without_the_database_each_server_counts_alone(store: Store) -> None:
    """And with it again, once it is there."""

    async def main(_: Any) -> None:
        records = Breakable(store)
        counts = SharedCounts(records)
        scopes = scopes_of(requests_per_minute=4)
        await served(counts, scopes)

        records.broken = True
        for _ in range(3):
            await served(counts, scopes)
        await refusal(counts, scopes)
        records.broken = False
        await served(counts, scopes)
        await counts.close()

    run(main, store)


def test_memory_saves_what_lasts(store: Store) -> None:
    async def main(records: LimitRecords) -> None:
        scopes = scopes_of(requests_per_day=5, tokens_per_month=1_000, requests_per_minute=9)
        first = MemoryCounts(records, lambda: NOON)
        charge = await served(first, scopes, Cost(100))
        await served(first, scopes, Cost(50))
        first.change(charge, {"tokens": -70}, hold=-1)
        await first.close()
        second = MemoryCounts(records, lambda: NOON)
        found = await refusal(second, scopes, Cost(930))
        assert (found.words, found.used) == ("tokens per month", 80)
        assert second.standing(scopes)["requests"].remaining == 3
        for _ in range(3):
            await served(second, scopes)
        await refusal(second, scopes)
        await second.close()

    run(main, store)


def test_memory_that_cannot_be_saved_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "openedai.limits")
    store = Store(tmp_path)

    async def main(_: Any) -> None:
        records = Breakable(store)
        counts = MemoryCounts(records, lambda: NOON)
        scopes = scopes_of(requests_per_day=5)
        records.broken = True
        for _ in range(3):
            await served(counts, scopes)
            await counts.close()
        records.broken = False
        await counts.close()
        again = MemoryCounts(records, lambda: NOON)
        await served(again, scopes)
        assert again.standing(scopes)["requests"].remaining == 1
        await again.close()

    run(main, store)
    first, second = caplog.messages
    assert first.startswith("what was used of limits cannot be saved now: The server cannot use")
    assert second == "what was used of limits is saved again"


def test_servers_of_one_machine_add_up_what_lasts(tmp_path: Path) -> None:
    async def main(records: LimitRecords) -> None:
        scopes = scopes_of(requests_per_day=10)
        one, other = MemoryCounts(records, lambda: NOON), MemoryCounts(records, lambda: NOON)
        for _ in range(3):
            await served(one, scopes)
            await served(other, scopes)
        await one.close()
        await other.close()
        assert other.standing(scopes)["requests"].remaining == 4
        await served(one, scopes)
        await one.close()
        assert one.standing(scopes)["requests"].remaining == 3

    run(main, Store(tmp_path))


def test_a_new_day_begins_at_zero_after_a_restart(tmp_path: Path) -> None:
    async def main(records: LimitRecords) -> None:
        scopes = scopes_of(requests_per_day=1)
        before = MemoryCounts(records, lambda: NOON)
        await served(before, scopes)
        await before.close()
        after = MemoryCounts(records, lambda: NOON + 12 * 3600)
        await served(after, scopes)
        await after.close()

    run(main, Store(tmp_path))


def test_counters_that_say_nothing_are_forgotten() -> None:
    now = [NOON]
    counts = MemoryCounts(None, lambda: now[0])
    rules = Rules(LimitSettings(requests_per_minute=5))

    async def main() -> None:
        for number in range(12_000):
            now[0] += 0.1
            await served(counts, rules.scopes(Subject("k", "n", str(number), "m")))
        assert len(counts._counters) <= 10_001

    asyncio.run(main())
