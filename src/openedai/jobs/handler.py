"""The handlers that run jobs, and what they are given. docs/architecture.md has an example."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Protocol

from openedai.jobs.leases import Claim, LeaseLost, Leases
from openedai.store.database import Query


class RunningJob:
    """One attempt at a job, for its handler.

    `input` is what it was added with, `progress` what was last saved; None at first. `requested` is
    "pause" or "cancel" as soon as someone requests it; then `interrupted` is set. `private` is what
    the database was not told; None on a server that does not know it.
    """

    def __init__(self, claim: Claim, leases: Leases, private: Any = None) -> None:
        self.id = claim.id
        self.kind = claim.kind
        self.input: Any = claim.input
        self.private = private
        self.progress: Any = claim.progress
        self.attempt = claim.attempt
        self.attempts = claim.attempts
        self.fence = claim.fence
        self.requested: str | None = None
        self.interrupted = asyncio.Event()
        self.lost = False
        self.ended = False
        self._ending = False
        self._leases = leases
        self.set_requested(claim.requested)

    def set_requested(self, requested: str | None) -> None:
        """Set what is requested of the job."""
        self.requested = requested
        if requested is None:
            self.interrupted.clear()
        else:
            self.interrupted.set()

    @asynccontextmanager
    async def step(self) -> AsyncIterator[Query]:
        """A transaction that is committed only if this server still has the job. Raises LeaseLost.

        A job writes only in steps. Between their statements nothing else is awaited.
        """
        if self.lost or self.ended:
            raise LeaseLost(self.id)
        try:
            async with self._leases.step(self.id, self.fence) as query:
                yield query
        except BaseException:
            self._ending = False
            raise
        self.ended = self._ending

    async def until_interrupted(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work until it ends, or until a pause or a cancellation is requested. Raises as
        the work does.
        """
        task = asyncio.create_task(work)
        interrupted = asyncio.create_task(self.interrupted.wait())
        try:
            await asyncio.wait({task, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            interrupted.cancel()
            await asyncio.wait({task, interrupted})
        if not task.cancelled():
            task.result()

    async def save(self, query: Query, progress: Any) -> None:
        """Save what the next attempt begins with, after a pause or the death of this server.

        Attempts are then counted anew: only those without progress are limited.
        """
        await self._leases.save(query, self.id, progress)
        self.progress, self.attempt = progress, 1

    async def end(self, query: Query, state: str, reason: str | None = None) -> None:
        """End the job, in its last step, with what it made."""
        await self._leases.end(query, self.id, state, reason)
        self._ending = True

    async def pause(self, query: Query) -> None:
        """End this attempt, in its last step, because a pause is requested."""
        await self._leases.pause(query, self.id)
        self._ending = True


class Handler(Protocol):
    """Runs the jobs of one `kind`; one server runs at most `slots` of them at once."""

    kind: ClassVar[str]
    slots: int

    async def run(self, job: RunningJob) -> None:
        """Do the job and end it, with `job.end` or `job.pause` in the last step.

        An exception ends the attempt, and the job is tried again later. The task is cancelled when
        the lease is lost and when the server stops; it must end whatever it started before it
        returns.
        """

    async def fail(self, query: Query, id: str, input: Any, reason: str) -> None:
        """All attempts are used up: record that in what the job belongs to, in this transaction."""
