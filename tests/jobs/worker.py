"""A process that runs jobs, which count up: `worker.py FOLDER URL LEASE`."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path
from typing import Any, ClassVar

from openedai.jobs.handler import RunningJob
from openedai.jobs.jobs import Jobs
from openedai.jobs.runner import Runner
from openedai.store.database import Query
from openedai.store.store import Store

TABLES = (
    "create table counted(job text not null, n bigint not null, fence bigint not null)",
    "create table ended(job text not null, state text not null, reason text)",
)


RANDOM = random.Random()


class Counting:
    """Counts to `input["to"]`, with a pause before each number."""

    kind: ClassVar[str] = "count"
    slots = 4

    async def run(self, job: RunningJob) -> None:
        for n in range(job.progress or 0, job.input["to"]):
            await asyncio.sleep(RANDOM.uniform(0, 2 * job.input["pause"]))
            if job.requested == "cancel":
                async with job.step() as query:
                    await query("insert into ended values($1, 'cancelled', null)", job.id)
                    await job.end(query, "cancelled")
                return
            async with job.step() as query:
                if job.requested == "pause":
                    await job.pause(query)
                    return
                await query("insert into counted values($1, $2, $3)", job.id, n, job.fence)
                await job.save(query, n + 1)
        if job.input.get("fails"):
            raise RuntimeError("as requested")
        async with job.step() as query:
            await query("insert into ended values($1, 'done', null)", job.id)
            await job.end(query, "done")

    async def fail(self, query: Query, id: str, input: Any, reason: str) -> None:
        await query("insert into ended values($1, 'failed', $2)", id, reason)


async def main(folder: str, url: str, lease: str) -> None:
    store = Store(Path(folder), url)
    runner = Runner(store, Jobs(store), [Counting()], lease=float(lease), poll=0.05)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    runner.start()
    print("ready", flush=True)
    await stopped.wait()
    await runner.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
