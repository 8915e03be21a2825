"""The jobs of one model on its replicas: chooses the next replica, and cleans up after jobs whose
client has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import ExitStack, aclosing
from dataclasses import dataclass

from openedai.engines.image_server.job import Job, Preview, ReplicaBusy
from openedai.engines.remote.connection import Disconnected
from openedai.engines.remote.failures import Failures, ReplicaFailed
from openedai.engines.remote.replicas import Replica, Replicas
from openedai.errors import Unavailable

_CLOSE_TIMEOUT = 2.0  # seconds for the last interrupts
_Event = Preview | bytes | Exception


@dataclass(frozen=True)
class Waiting:
    """How long a job waits for a free replica, and how often it looks, in seconds."""

    timeout: float
    interval: float


class Jobs:
    """Each job is a task that holds its replica until the server has stopped working on it."""

    def __init__(self, replicas: Replicas, failures: Failures, waiting: Waiting) -> None:
        self._replicas = replicas
        self._failures = failures
        self._waiting = waiting
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self, make: Callable[[Replica, bool], Job]
    ) -> AsyncGenerator[Preview | bytes, None]:
        """The events of a job, on the first replica that can do it. Closing stops the job.

        `make` gets the replica, and whether all of them were busy before. After a failure the job
        begins again on another replica. Raises an APIError.
        """
        deadline = asyncio.get_running_loop().time() + self._waiting.timeout
        failed: set[Replica] = set()
        queued = False
        while True:
            for replica in self._free(failed):
                try:
                    async with aclosing(self._events(replica, make(replica, queued))) as events:
                        async for event in events:
                            yield event
                    replica.mark(up=True)
                    return
                except ReplicaBusy:
                    continue
                except ReplicaFailed as failure:
                    if failure.down:
                        replica.mark(up=False)
                    failed.add(replica)
                    if len(failed) == len(self._replicas.all):
                        raise failure.error from failure
            if asyncio.get_running_loop().time() >= deadline:
                raise self._all_busy()
            await asyncio.sleep(self._waiting.interval)
            queued = True

    async def close(self) -> None:
        """Stop every job. Waits a moment for the last interrupts."""
        tasks = tuple(self._tasks)
        for task in tasks:
            if not task.cancelling():
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_TIMEOUT)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _free(self, failed: Collection[Replica]) -> list[Replica]:
        """The replicas without a job of ours, among those that are up if there are any."""
        left = [replica for replica in self._replicas.all if replica not in failed]
        up = [replica for replica in left if replica.up] or left
        return sorted((one for one in up if not one.running), key=lambda one: one.turn)

    def _all_busy(self) -> Unavailable:
        return Unavailable(
            f"{self._failures.name} was busy for {self._waiting.timeout:g} seconds.",
            retry_after=self._waiting.timeout,
        )

    async def _events(self, replica: Replica, job: Job) -> AsyncGenerator[Preview | bytes, None]:
        """Raises what the job raises. Closing cancels the task, which then stops the job."""
        events: asyncio.Queue[_Event | None] = asyncio.Queue()
        task = self._start(replica, job, events)
        try:
            while (event := await events.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        except (GeneratorExit, asyncio.CancelledError):
            task.cancel()
            raise

    def _start(
        self, replica: Replica, job: Job, events: asyncio.Queue[_Event | None]
    ) -> asyncio.Task[None]:
        """Start a task that holds the replica until it ends."""
        held = ExitStack()
        held.enter_context(self._replicas.use(replica))
        task = asyncio.create_task(_work(job, events))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: held.close())
        return task


async def _work(job: Job, events: asyncio.Queue[_Event | None]) -> None:
    try:
        async with aclosing(job.run()) as results:
            async for result in results:
                events.put_nowait(result)
    except Disconnected:
        events.put_nowait(ReplicaBusy())
    except Exception as error:
        events.put_nowait(error)
    finally:
        events.put_nowait(None)
        await job.stop()
