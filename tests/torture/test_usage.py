"""Usage when servers are killed: only that of the last seconds is lost, and none is doubled."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from openedai.store.store import Store
from tests.process.serving import serving
from tests.process.settings_files import model_table, settings_file
from tests.torture.machine import tracebacks

CONFIG = settings_file(model_table("echo"))
# The time of a group, and what a loaded machine may add.
LOST_SECONDS = 4
ROUNDS, ROUND_SECONDS = 2, 7


def written(folder: Path, database_url: str) -> list[str]:
    async def read() -> list[str]:
        store = Store(folder, database_url)
        database = await store.database()
        rows = await database.read("select request from usage_records")
        sums = await database.read("select sum(requests) from usage_hours")
        await store.close()
        assert [int(count) for (count,) in sums] == [len(rows)]
        return [id for (id,) in rows]

    return asyncio.run(read())


@pytest.mark.torture
def test_a_server_that_is_killed(tmp_path: Path, database_url: str) -> None:
    settings: dict[str, object] = {"database": database_url} if database_url else {}
    answered: set[str] = set()
    kept: set[str] = set()
    for _ in range(ROUNDS):
        with (
            serving(tmp_path, CONFIG, usage=True, **settings) as server,
            server.client() as client,
        ):
            ended: dict[str, float] = {}
            deadline = time.monotonic() + ROUND_SECONDS
            while time.monotonic() < deadline:
                answer = client.embeddings.with_raw_response.create(model="echo", input="a b")
                ended[answer.headers["x-request-id"]] = time.monotonic()
            server.process.kill()
            killed = time.monotonic()
        kept |= {id for id, at in ended.items() if at < killed - LOST_SECONDS}
        found = written(tmp_path / "data", database_url)
        assert len(found) == len(set(found))
        answered |= set(ended)
        assert kept <= set(found) <= answered
        kept |= set(found)
        assert not tracebacks(server)
    assert len(kept) > 100
