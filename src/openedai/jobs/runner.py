"""Runs the jobs of one server: takes jobs that are due, renews leases, and gives jobs back at the
end.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from openedai.errors import APIError
from openedai.jobs.handler import Handler, RunningJob
from openedai.jobs.jobs import FAILED, LEASE_SECONDS, Jobs
from openedai.jobs.leases import Claim, LeaseLost, Leases
from openedai.store.store import Store

log = logging.getLogger("openedai.jobs")

_RENEWALS = 3  # within the time of a lease
_POLL_SECONDS = 1.0
_MOST_RETRY_SECONDS = 60.0
# How long the tasks may take to end when the server stops.
_STOP_SECONDS = 10.0


class Runner:
    """Nothing happens before the store is opened: at its first use, or at the start if it exists.

    `lease` is in seconds.
    """

    def __init__(
        self,
        store: Store,
        jobs: Jobs,
        handlers: Sequence[Handler],
        *,
        lease: float = LEASE_SECONDS,
        poll: float = _POLL_SECONDS,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._handlers = {handler.kind: handler for handler in handlers}
        self._leases = Leases(store, jobs.server, lease)
        self._poll = poll
        self._random = random.Random()
        self._running: dict[str, RunningJob] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._renew_now = asyncio.Event()

    @property
    def running(self) -> Sequence[RunningJob]:
        """The jobs that this server runs now."""
        return tuple(self._running.values())

    def start(self) -> None:
        """Begin to take jobs, on the running event loop."""
        self._loops = [
            asyncio.create_task(self._take_all()),
            asyncio.create_task(self._renew_all()),
        ]

    async def close(self) -> None:
        """End all tasks, and give their jobs back. May be called twice."""
        loops, self._loops = self._loops, []
        for loop in loops[:1]:
            loop.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        if loops and self._store.opened.is_set():
            with suppress(APIError):
                await self._leases.give_back(but=[*self._tasks])

    async def _take_all(self) -> None:
        await self._open()
        while True:
            taken = False
            try:
                await self._bury()
                taken = await self._take()
            except Exception as error:
                _log("jobs cannot be taken now", error)
            if not taken:
                await self._wait()

    async def _open(self) -> None:
        """Wait until the store is open."""
        while self._store.exists and not self._store.opened.is_set():
            try:
                await self._store.database()
            except APIError as error:
                log.error("the database cannot be opened: %s", error.message)
                await asyncio.sleep(_MOST_RETRY_SECONDS)
        await self._store.opened.wait()

    async def _wait(self) -> None:
        """Wait until this server changes jobs, or until it is time to look for those of other
        servers.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll * self._random.uniform(0.8, 1.2)):
                await self._jobs.changed.wait()
        if self._jobs.changed.is_set():
            self._jobs.changed.clear()
            self._renew_now.set()

    async def _take(self) -> bool:
        """Take one job, if there is one and a slot for it."""
        busy = Counter(job.kind for job in self._running.values())
        kinds = [kind for kind, one in self._handlers.items() if busy[kind] < one.slots]
        claim = await self._leases.claim(kinds) if kinds else None
        if claim is None:
            return False
        job = RunningJob(claim, self._leases, self._jobs.private.of(claim.id))
        self._running[job.id] = job
        task = asyncio.create_task(self._run(job, claim))
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._forget(job))
        return True

    def _forget(self, job: RunningJob) -> None:
        if self._running.get(job.id) is job:
            del self._running[job.id], self._tasks[job.id]
        if job.ended or job.lost:
            self._jobs.private.forget(job.id)
        self._jobs.wake()

    async def _run(self, job: RunningJob, claim: Claim) -> None:
        log.info("%s %s begins, attempt %d", job.kind, job.id, job.attempt)
        try:
            await self._handlers[job.kind].run(job)
            if not job.ended:
                raise AssertionError(f"the handler of {job.kind} has not ended its job")
        except LeaseLost:
            log.warning("%s %s was lost to another server", job.kind, job.id)
        except asyncio.CancelledError:
            log.info("%s %s is stopped", job.kind, job.id)
        except Exception as error:
            known = isinstance(error, APIError)
            log.error("%s %s failed: %s", *(job.kind, job.id, error), exc_info=not known)
            with suppress(LeaseLost, APIError):
                await self._end_attempt(job, claim, error)

    async def _end_attempt(self, job: RunningJob, claim: Claim, error: Exception) -> None:
        """Queue the job for another attempt, if it has any left."""
        reason = error.message if isinstance(error, APIError) else "The server had an error."
        async with job.step() as query:
            if job.attempt < claim.attempts:
                pause = min(2.0 ** (job.attempt - 1), _MOST_RETRY_SECONDS)
                await self._leases.retry(query, job.id, pause)
            else:
                await self._handlers[job.kind].fail(query, job.id, job.input, reason)
                await self._leases.end(query, job.id, FAILED, reason)

    async def _renew_all(self) -> None:
        pause = self._leases.seconds / _RENEWALS
        renewed = time.monotonic()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._renew_now.wait()
            self._renew_now.clear()
            held = {id: job.fence for id, job in self._running.items() if not job.ended}
            started = time.monotonic()
            try:
                kept = await self._leases.renew(held) if held else {}
                if len(self._jobs.private):
                    self._jobs.private.keep(await self._leases.renew_own())
            except Exception as error:
                _log("leases cannot be renewed now", error)
                if started - renewed > self._leases.seconds:
                    self._lose(held)
                continue
            renewed = started
            for id, requested in kept.items():
                if id in self._running:
                    self._running[id].set_requested(requested)
            self._lose(held.keys() - kept.keys())

    def _lose(self, ids: Sequence[str] | set[str] | dict[str, int]) -> None:
        for id in ids:
            job = self._running.get(id)
            if job is not None and not job.ended:
                job.lost = True
                self._tasks[id].cancel()

    async def _bury(self) -> None:
        """Fail the jobs whose last attempt broke off."""
        for id, kind, input in await self._leases.used_up():
            reason = "The server stopped too often while it worked on this."
            handler = self._handlers.get(kind)
            if handler is None:
                continue
            async with self._leases.burying(id, reason) as query:
                if query is not None:
                    log.error("%s %s failed: %s", kind, id, reason)
                    await handler.fail(query, id, input, reason)


def _log(what: str, error: Exception) -> None:
    """Log the error after which a job is tried again."""
    log.warning("%s: %s", what, error, exc_info=None if isinstance(error, APIError) else error)
