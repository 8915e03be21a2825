"""Stores threads, their messages and their runs, and changes them.

Whoever changes a run and its job locks the job first: the job's own steps do so.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from openedai.errors import InvalidRequest, NotFound, invalid_value
from openedai.jobs.jobs import RUNNING, Jobs
from openedai.serving.streams.following import follow
from openedai.store.assistants.assistants import Assistants
from openedai.store.assistants.messages import Message, Messages
from openedai.store.assistants.runs import KIND, OPEN, WORKING, Run, Runs, RunStatus
from openedai.store.assistants.steps import Step, Steps
from openedai.store.assistants.threads import Thread, ThreadFields, Threads, new_thread
from openedai.store.conversations.events import KeptEvents
from openedai.store.database import Query
from openedai.store.ids import ordered_id
from openedai.store.store import Store

# How long a run waits for the outputs of tools.
WAITING_SECONDS = 600.0
_JOB = "job_"

RenderOutputs = Callable[[Step, Run], Sequence[bytes]]
"""The events of a step that has its outputs, and of a run that is queued again."""


class AssistantKeeping:
    """Only its owner sees anything of this."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self.assistants = Assistants(store)
        self.threads = Threads(store)
        self.messages = Messages(store, self.threads)
        self.runs = Runs(store)
        self.steps = Steps(store, self.threads)
        self.events = KeptEvents(store, "run")
        self._store = store
        self._jobs = jobs

    async def create_thread(
        self, owner: str, fields: ThreadFields, messages: Sequence[Message]
    ) -> Thread:
        """A new thread with these messages."""
        made = new_thread(owner, fields)
        async with (await self._store.database()).write() as query:
            await self.threads.insert(query, made)
            await self.messages.append(query, made.id, messages)
        return made

    async def delete_thread(self, owner: str, id: str) -> None:
        """Delete a thread. Whoever works on a run of it loses the job. Raises NotFound."""
        await self.threads.find(owner, id)
        async with (await self._store.database()).write() as query:
            await self.threads.delete(query, owner, id)
        self._jobs.wake()

    async def add_message(self, owner: str, message: Message) -> None:
        """Raises NotFound, and InvalidRequest while a run works on the thread."""
        await self.threads.find(owner, message.thread)
        async with (await self._store.database()).write() as query:
            await self.threads.lock(query, owner, message.thread)
            for run in await self._active(query, message.thread):
                raise InvalidRequest(
                    f"Can't add messages to {message.thread} while a run {run.id} is active."
                )
            await self.messages.append(query, message.thread, [message])

    async def begin(
        self,
        run: Run,
        messages: Sequence[Message],
        events: Sequence[bytes],
        thread: Thread | None = None,
    ) -> None:
        """Store a run for a job to work on, with further messages of its thread, or with a new
        thread.

        Raises NotFound, and InvalidRequest if the thread has a run that has not ended.
        """
        async with (await self._store.database()).write() as query:
            if thread is not None:
                await self.threads.insert(query, thread)
            await self.threads.lock(query, run.owner, run.thread)
            for active in await self._active(query, run.thread):
                raise InvalidRequest(f"Thread {run.thread} already has an active run {active.id}.")
            await self.messages.append(query, run.thread, messages)
            await self.runs.insert(query, run)
            if run.streamed:
                await self.events.add(query, run.id, len(events) - 1, b"\n".join(events).decode())
            await self._jobs.add(query, KIND, run.job, {"run": run.id})
        self._jobs.wake()

    async def find_run(self, owner: str, thread: str, id: str) -> Run:
        """The run as it is now, which may be expired. Raises NotFound."""
        await self.threads.find(owner, thread)
        run = await self.runs.find(owner, thread, id)
        if not _is_overdue(run):
            return run
        async with (await self._store.database()).write() as query:
            return await self._expire(query, id)

    async def set_run_metadata(
        self, owner: str, thread: str, id: str, metadata: dict[str, str]
    ) -> Run:
        """The run with new metadata. Raises NotFound."""
        await self.find_run(owner, thread, id)
        async with (await self._store.database()).write() as query:
            run = (await self.runs.lock(query, id)).changed(metadata=metadata)
            await self.runs.update(query, run)
        return run

    async def cancel(self, owner: str, thread: str, id: str) -> Run:
        """Cancel a run, or have its job cancel it. Returns the run. Raises NotFound, and
        InvalidRequest for a run that has ended.
        """
        while True:
            found = await self.find_run(owner, thread, id)
            if found.status not in OPEN:
                raise InvalidRequest(f"Cannot cancel run with status '{found.status}'.")
            async with (await self._store.database()).write() as query:
                state = await self._jobs.request(query, found.job, "cancel")
                run = await self.runs.lock(query, id)
                if run.job != found.job or run.status not in OPEN:
                    continue  # it has changed meanwhile
                if state == RUNNING:
                    run = run.changed("cancelling")
                    await self.runs.update(query, run)
                else:
                    run = await self._end(query, run, "cancelled", cancelled_at=int(time.time()))
            self._jobs.wake()
            return run

    async def submit(
        self,
        owner: str,
        thread: str,
        id: str,
        outputs: Mapping[str, str],
        render: RenderOutputs,
        *,
        streamed: bool,
    ) -> tuple[Run, int]:
        """Continue a run with these tool outputs. Returns the run, and the number of the last event
        before them. Raises NotFound, and InvalidRequest unless it waits for exactly these.
        """
        await self.find_run(owner, thread, id)
        async with (await self._store.database()).write() as query:
            run = await self.runs.lock(query, id)
            _check_outputs(run, outputs)
            last = await self.events.last(query, id)
            run = replace(run.changed("queued", calls=[]), job=ordered_id(_JOB))
            run = replace(run, streamed=int(streamed))
            await self.runs.update(query, run)
            events: list[bytes] = []
            for step in await self.steps.open(query, id):
                done = _with_outputs(step, outputs)
                await self.steps.put(query, done)
                events += render(done, run)
            if streamed and events:
                number = last + len(events)
                await self.events.add(query, id, number, b"\n".join(events).decode())
            await self._jobs.add(query, KIND, run.job, {"run": id})
        self._jobs.wake()
        return run, last

    def follow(self, run: Run, after: int) -> AsyncGenerator[list[bytes], None]:
        """The events of a run after the number `after`, until it ends or waits for outputs."""

        async def has_ended() -> bool:
            return (await self.runs.find(run.owner, run.thread, run.id)).status not in WORKING

        return follow(self.events, run.id, after, has_ended)

    async def fail(self, query: Query, id: str, reason: str) -> None:
        """End a run whose job has broken off for good."""
        try:
            run = await self.runs.lock(query, id)
        except NotFound:
            return
        if run.status in WORKING:
            fields = {"error_code": "server_error", "error": reason}
            await self._end(query, run, "failed", failed_at=int(time.time()), **fields)

    async def sweep(self) -> None:
        """End the runs that have waited too long for the outputs of tools."""
        for id in await self.runs.overdue(time.time()):
            async with (await self._store.database()).write() as query:
                await self._expire(query, id)

    async def _active(self, query: Query, thread: str) -> list[Run]:
        """The run of a locked thread that has not ended, unless it expires now."""
        found = await self.runs.active(query, thread)
        return [
            run
            for run in found
            if not _is_overdue(run) or (await self._expire(query, run.id)).status in OPEN
        ]

    async def _expire(self, query: Query, id: str) -> Run:
        run = await self.runs.lock(query, id)
        return await self._end(query, run, "expired") if _is_overdue(run) else run

    async def _end(self, query: Query, run: Run, status: RunStatus, **fields: Any) -> Run:
        """End a run that nobody works on, along with its open messages and steps."""
        run = run.changed(status, calls=[], **fields)
        await self.runs.update(query, run)
        now, reason = int(time.time()), f"run_{status}"
        for message in await self.messages.open(query, run.thread, run.id):
            ended = message.changed(
                status="incomplete", incomplete_at=now, incomplete_reason=reason
            )
            await self.messages.put(query, ended, is_new=False)
        ends = {"status": status, f"{status}_at": now}
        error = {"error_code": run.fields.error_code, "error": run.fields.error}
        for step in await self.steps.open(query, run.id):
            await self.steps.put(query, step.changed(**ends, **error))
        return run


def _is_overdue(run: Run) -> bool:
    return run.status == "requires_action" and run.expires_at <= time.time()


def _check_outputs(run: Run, outputs: Mapping[str, str]) -> None:
    if run.status != "requires_action":
        raise InvalidRequest(f'Runs in status "{run.status}" do not accept tool outputs.')
    expected = [call["id"] for call in run.fields.calls]
    if set(outputs) != set(expected):
        raise invalid_value(
            "tool_outputs",
            f"expected tool outputs for call_ids {expected}, got {sorted(outputs)}",
        )


def _with_outputs(step: Step, outputs: Mapping[str, str]) -> Step:
    calls = [_with_output(call, outputs) for call in step.fields.details["tool_calls"]]
    details = {"type": "tool_calls", "tool_calls": calls}
    return step.changed(status="completed", completed_at=int(time.time()), details=details)


def _with_output(call: dict[str, Any], outputs: Mapping[str, str]) -> dict[str, Any]:
    if call["id"] not in outputs:
        return call
    return {**call, "function": {**call["function"], "output": outputs[call["id"]]}}


def new_job() -> str:
    """The id of the job of a new run."""
    return ordered_id(_JOB)
