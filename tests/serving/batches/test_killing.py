"""Servers that are killed and stopped: each line is answered once, on both databases."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import time
from pathlib import Path

from openedai.serving.services import Services
from openedai.store.batches import ENDED
from tests.serving.batches.lines import ended, line, lines_of, start, until
from tests.serving.servers import app_of, end, process, ready

LEASE = 2.0  # seconds: on a busy machine a write may take one
SERVERS = 2
FAULTS = 4
LINES = [f"line {number}" for number in range(50)]


async def require_each_once(services: Services, id: str) -> None:
    batch = await ended(services, id)
    assert batch.status == "completed"
    assert (batch.completed, batch.failed, batch.total) == (len(LINES), 0, len(LINES))
    output = await lines_of(services, batch.output_file_id)
    assert [one["custom_id"] for one in output] == LINES
    for answer in output:
        message = answer["response"]["body"]["choices"][0]["message"]
        assert message["content"] == f"this is {answer['custom_id']}"
    usage = [answer["response"]["body"]["usage"]["total_tokens"] for answer in output]
    assert batch.tokens.total == sum(usage)
    assert batch.error_file_id is None
    files = await services.files.page("key", 100, purpose="batch_output")
    assert sum(record.filename.startswith(id) for record in files) == 1


def test_each_line_is_answered_once_whoever_is_killed_or_stopped(
    tmp_path: Path, database_url: str
) -> None:
    choose = random.Random(7)
    faults = {"killed": 0, "stopped": 0}
    services: Services = app_of(tmp_path, database_url).state.services

    async def faults_until_the_end(id: str, servers: list[subprocess.Popen[str]]) -> None:
        stopped: dict[int, float] = {}
        deadline = time.monotonic() + 150
        while (await services.batches.records.find("key", id)).status not in ENDED:
            assert time.monotonic() < deadline
            await asyncio.sleep(choose.uniform(0.1, 0.5))
            for index in [i for i, end_at in stopped.items() if time.monotonic() > end_at]:
                servers[index].send_signal(signal.SIGCONT)
                del stopped[index]
            if stopped or sum(faults.values()) >= FAULTS:
                continue
            if faults["killed"] <= faults["stopped"]:
                for server in servers:
                    end(server)
                servers[:] = [process(tmp_path, database_url, LEASE) for _ in servers]
                for server in servers:
                    ready(server)
                faults["killed"] += 1
            else:
                index = choose.randrange(SERVERS)
                servers[index].send_signal(signal.SIGSTOP)
                stopped[index] = time.monotonic() + 1.5 * LEASE
                faults["stopped"] += 1

    async def scenario() -> None:
        await services.store.database()
        servers = [process(tmp_path, database_url, LEASE) for _ in range(SERVERS)]
        servers = [ready(server) for server in servers]
        try:
            batch = await start(services, [line(one, "slow") for one in LINES])
            await faults_until_the_end(batch.id, servers)
        finally:
            for server in servers:
                end(server)
        await require_each_once(services, batch.id)
        ((fence,),) = await (await services.store.database()).read("select fence from jobs")
        assert fence > 1, "nothing was taken over"
        await services.store.close()

    asyncio.run(scenario())
    assert min(faults.values()) > 0, faults


def test_a_server_on_sigterm_leaves_its_batch_to_another_at_once(
    tmp_path: Path, database_url: str
) -> None:
    """The leases are of an hour: only what was given back is taken."""
    services: Services = app_of(tmp_path, database_url).state.services

    async def scenario() -> None:
        batch = await start(services, [line(one, "slow") for one in LINES])
        first = ready(process(tmp_path, database_url, lease=3600))
        await until(services, batch.id, lambda one: one.completed > 10)
        first.terminate()
        with first:
            assert first.wait(30) == 0
        assert (await services.batches.records.find("key", batch.id)).status == "in_progress"
        second = ready(process(tmp_path, database_url, lease=3600))
        try:
            await require_each_once(services, batch.id)
        finally:
            end(second)
        await services.store.close()

    asyncio.run(scenario())
