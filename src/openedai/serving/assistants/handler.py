"""A run as a job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from openedai.errors import NotFound
from openedai.jobs.handler import RunningJob
from openedai.jobs.jobs import CANCELLED
from openedai.serving.assistants.keeping import AssistantKeeping
from openedai.serving.streams.writing import EventWriter
from openedai.store.assistants.messages import Message
from openedai.store.assistants.runs import KIND, WORKING, Run, RunStatus
from openedai.store.assistants.steps import Step
from openedai.store.database import Query

_SLOTS = 32
_DIED = "The server that worked on this run stopped, and its answer cannot be gone on with."


@dataclass(frozen=True)
class Progress:
    """Events, and what is stored with them: messages and steps that begin, change or end, and the
    run's next state.
    """

    events: Sequence[bytes]
    messages: Sequence[Message] = ()
    steps: Sequence[Step] = ()
    run: Run | None = None


@dataclass(frozen=True)
class Left:
    """What an earlier attempt has begun but not ended: a message with its step, and tool calls."""

    message: Message | None = None
    message_step: Step | None = None
    calls_step: Step | None = None


class Work(Protocol):
    """One attempt at a run."""

    def progress(self) -> AsyncGenerator[Progress, None]:
        """Yields progress up to the end of the run, or to the tool calls for which it waits. Raises
        failures from before the answer begins, which may be tried again.
        """

    def stop(self, status: RunStatus, error: tuple[str, str] | None = None) -> Progress:
        """End the run early, with what exists of its answer. The error has a code."""


Begin = Callable[[Run, Left], Awaitable[Work]]


class RunHandler:
    """`begin` makes the work on a run, which continues what is left of an earlier attempt."""

    kind: ClassVar[str] = KIND

    def __init__(self, keeping: AssistantKeeping, begin: Begin) -> None:
        self.slots = _SLOTS
        self._keeping = keeping
        self._begin = begin

    async def run(self, job: RunningJob) -> None:
        async with job.step() as query:
            try:
                run = await self._keeping.runs.lock(query, job.input["run"])
            except NotFound:  # its thread was deleted
                await job.end(query, CANCELLED)
                return
            last = await self._keeping.events.last(query, run.id)
            if run.status not in WORKING:
                await job.end(query, run.status)
                return
            left = await self._left(query, run)
        work = await self._begin(run, left)
        writer = EventWriter(job, self._keeping.events, run.id, last)
        try:
            attempt = _Attempt(job, self._keeping, run, work, writer, left)
            if run.status == "cancelling":
                await attempt.write(work.stop("cancelled"))
            elif run.streamed and run.status == "in_progress" and last > run.fields.begun:
                # Readers have seen a part of the answer that another attempt would not repeat.
                await attempt.write(work.stop("failed", ("server_error", _DIED)))
            else:
                await attempt.make()
        finally:
            await writer.close()

    async def _left(self, query: Query, run: Run) -> Left:
        messages = await self._keeping.messages.open(query, run.thread, run.id)
        steps = {step.fields.type: step for step in await self._keeping.steps.open(query, run.id)}
        message = messages[0] if messages else None
        return Left(message, steps.get("message_creation"), steps.get("tool_calls"))

    async def fail(self, query: Query, id: str, input: Any, reason: str) -> None:
        await self._keeping.fail(query, input["run"], reason)


class _Attempt:
    def __init__(
        self,
        job: RunningJob,
        keeping: AssistantKeeping,
        run: Run,
        work: Work,
        writer: EventWriter,
        left: Left,
    ) -> None:
        self._job = job
        self._keeping = keeping
        self._run = run
        self._work = work
        self._writer = writer
        self._writing: asyncio.Task[None] | None = None
        self._kept = {left.message.id} if left.message is not None else set[str]()

    async def make(self) -> None:
        """Work until the end, or until the run has to be cancelled."""
        try:
            await self._job.until_interrupted(self._make())
        finally:
            if self._writing is not None:
                await asyncio.gather(self._writing, return_exceptions=True)
        if not self._job.ended:
            await self.write(self._work.stop("cancelled"))

    async def _make(self) -> None:
        async with aclosing(self._work.progress()) as progress:
            async for one in progress:
                if one.run is None:
                    for event in one.events if self._run.streamed else ():
                        self._writer.add(event)
                else:  # not interrupted, so that what has begun is known and no event is lost
                    self._writing = asyncio.create_task(self.write(one))
                    await asyncio.shield(self._writing)

    async def write(self, progress: Progress) -> None:
        """Write all of it in one transaction, together with the end of the job if this is one."""
        await self._writer.flush()
        async with self._job.step() as query:
            current = await self._keeping.runs.lock(query, self._run.id)
            cancelling = current.status == "cancelling"
            if cancelling and progress.run and progress.run.status == "requires_action":
                progress = self._work.stop("cancelled")
            assert progress.run is not None
            run = progress.run.changed(metadata=current.fields.metadata)
            if self._run.streamed:
                await self._writer.write(query, *progress.events)
            if current.status == "queued":
                run = run.changed(begun=self._writer.last)
            if cancelling and run.status == "in_progress":
                run = run.changed("cancelling")
            for message in progress.messages:
                is_new = message.id not in self._kept
                await self._keeping.messages.put(query, message, is_new=is_new)
            for step in progress.steps:
                await self._keeping.steps.put(query, step)
            await self._keeping.runs.update(query, run)
            if run.status not in WORKING:
                await self._job.end(query, run.status)
        self._kept |= {message.id for message in progress.messages}
