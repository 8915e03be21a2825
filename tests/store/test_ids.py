"""Ids sort by time, also in the databases."""

from __future__ import annotations

import asyncio
import re
import time

from openedai.store.ids import ordered_id
from openedai.store.store import Store


def test_shape() -> None:
    made = {ordered_id("file-") for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch("file-[0-9a-z]{24}", one) for one in made)


def test_order(store: Store) -> None:
    ids = []
    for _ in range(50):
        ids.append(ordered_id("file-"))
        started = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == started:
            pass

    async def scenario() -> None:
        database = await store.database()
        async with database.write() as query:
            rows = [(one, "h", 0, 0) for one in reversed(ids)]
            await query.many("insert into blobs values($1, $2, $3, $4)", rows)
        assert [key for (key,) in await database.read("select key from blobs order by key")] == ids
        await store.close()

    asyncio.run(scenario())
