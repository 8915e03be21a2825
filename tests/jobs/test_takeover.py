"""Servers that are killed and stopped: each step of each job is made once, on both databases."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from openedai.jobs.jobs import Jobs
from openedai.store.store import Store
from tests.jobs import worker

LEASE = 1.0
NUMBERS = 12
JOBS = [f"job{number:02}" for number in range(10)]


def start(folder: Path, url: str, lease: float = LEASE) -> subprocess.Popen[str]:
    command = [sys.executable, worker.__file__, str(folder), url, str(lease)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ready(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    with process:
        process.send_signal(signal.SIGCONT)
        process.kill()


async def fill(store: Store, **options: Any) -> None:
    database = await store.database()
    async with database.write() as query:
        for table in worker.TABLES:
            await query(table)
        for id in JOBS:
            await Jobs(store).add(query, "count", id, {"to": NUMBERS, **options}, attempts=1000)


async def rows(store: Store, table: str) -> int:
    ((count,),) = await (await store.database()).read(f"select count(*) from {table}")
    return int(count)


async def more(store: Store, table: str, least: int) -> None:
    """Wait until the table has so many rows."""
    async with asyncio.timeout(60):
        while True:
            if await rows(store, table) >= least:
                return
            await asyncio.sleep(0.02)


def test_every_step_is_made_once_whoever_is_killed_or_stopped(
    tmp_path: Path, database_url: str
) -> None:
    choose = random.Random(7)
    faults = {"killed": 0, "stopped": 0}

    async def scenario() -> None:
        store = Store(tmp_path, database_url)
        await fill(store, pause=0.2)
        servers = [ready(start(tmp_path, database_url)) for _ in range(3)]
        stopped: dict[int, float] = {}
        deadline = time.monotonic() + 120
        try:
            while await rows(store, "ended") < len(JOBS):
                assert time.monotonic() < deadline
                await asyncio.sleep(choose.uniform(0.1, 0.4))
                for index in [i for i, until in stopped.items() if time.monotonic() > until]:
                    servers[index].send_signal(signal.SIGCONT)
                    del stopped[index]
                index = choose.randrange(3)
                if index in stopped or len(stopped) == 2 or sum(faults.values()) >= 12:
                    continue
                if faults["killed"] <= faults["stopped"]:
                    end(servers[index])
                    servers[index] = ready(start(tmp_path, database_url))
                    faults["killed"] += 1
                else:
                    servers[index].send_signal(signal.SIGSTOP)
                    stopped[index] = time.monotonic() + 1.5 * LEASE
                    faults["stopped"] += 1
        finally:
            for server in servers:
                end(server)
        database = await store.database()
        counted = await database.read("select job, n from counted order by job, n")
        assert counted == [(id, n) for id in JOBS for n in range(NUMBERS)]
        assert await database.read("select job, state from ended order by job") == [
            (id, "done") for id in JOBS
        ]
        ((taken_over,),) = await database.read("select count(*) from jobs where fence > 1")
        assert taken_over > 0
        await store.close()

    asyncio.run(scenario())
    assert min(faults.values()) > 0, faults


def test_a_server_on_sigterm_leaves_its_jobs_to_another_at_once(
    tmp_path: Path, database_url: str
) -> None:
    """The leases are of an hour: only what was given back is taken."""

    async def scenario() -> None:
        store = Store(tmp_path, database_url)
        await fill(store, pause=0.05)
        database = await store.database()
        first = ready(start(tmp_path, database_url, lease=3600))
        await more(store, "counted", 10)
        first.terminate()
        with first:
            assert first.wait(30) == 0
        running = "select count(*) from jobs where state='running'"
        assert await database.read(running) == [(0,)]
        assert await database.read("select max(attempt) from jobs where state='queued'") == [(0,)]
        second = start(tmp_path, database_url, lease=3600)
        try:
            await more(store, "ended", len(JOBS))
        finally:
            end(second)
        counted = await database.read("select job, n from counted order by job, n")
        assert counted == [(id, n) for id in JOBS for n in range(NUMBERS)]
        await store.close()

    asyncio.run(scenario())
