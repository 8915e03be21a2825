"""A response in the background as a job."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import msgspec

from openedai.errors import InvalidRequest, NotFound
from openedai.jobs.handler import RunningJob
from openedai.serving.responses.keeping import ResponseKeeping, changed
from openedai.serving.streams.writing import EventWriter
from openedai.store.conversations.responses import KIND, OPEN, Status, StoredResponse
from openedai.store.database import Query

_SLOTS = 32
# The events before anything of the answer.
_BEGINNING = ("response.created", "response.in_progress")
_LAST_BEFORE_ANSWER = len(_BEGINNING) - 1
_FORGOTTEN = (
    "The server that knew the credentials of this response's tools stopped before it began. They "
    "are never stored: send the request again."
)
_DIED = "The server that worked on this response stopped, and its answer cannot be gone on with."


@dataclass(frozen=True)
class Step:
    """An event, as JSON. The last one also has the response without its output, and the output."""

    number: int
    json: bytes
    status: Status | None = None
    response: str = ""
    output: str = "[]"


Generate = Callable[[StoredResponse, Any, Any], AsyncGenerator[Step, None]]


class ResponseHandler:
    """`generate` yields the events of a response, given its stored record, the job's input, and
    what is never stored.
    """

    kind: ClassVar[str] = KIND

    def __init__(self, keeping: ResponseKeeping, generate: Generate) -> None:
        self.slots = _SLOTS
        self._keeping = keeping
        self._responses = keeping.responses
        self._generate = generate

    async def run(self, job: RunningJob) -> None:
        async with job.step() as query:
            response = await self._responses.lock(query, job.id)
            last = await self._responses.events.last(query, job.id)
            if response.status not in OPEN:
                await job.end(query, response.status)
            elif last > _LAST_BEFORE_ANSWER or (
                response.status == "in_progress" and job.input.get("once")
            ):
                # Another attempt would not repeat the part of an answer that readers have seen, and
                # it would repeat the calls of tools.
                await self._fail(query, response, "server_error", _DIED)
                await job.end(query, "failed")
            elif job.input.get("private") and job.private is None:
                await self._fail(query, response, "server_error", _FORGOTTEN)
                await job.end(query, "failed")
            elif response.status == "queued":
                begun = changed(response, status="in_progress")
                response = replace(response, status="in_progress", response=begun)
                await self._responses.update(query, response)
        if not job.ended:
            await self._attempt(job, response, last)

    async def fail(self, query: Query, id: str, input: Any, reason: str) -> None:
        try:
            response = await self._responses.lock(query, id)
        except NotFound:
            return
        if response.status in OPEN:
            await self._fail(query, response, "server_error", reason)

    async def _attempt(self, job: RunningJob, response: StoredResponse, last: int) -> None:
        await job.until_interrupted(self._work(job, response, last))
        if not job.ended:  # the response was cancelled together with the request for it
            async with job.step() as query:
                await job.end(query, "cancelled")

    async def _work(self, job: RunningJob, response: StoredResponse, last: int) -> None:
        events = EventWriter(job, self._responses.events, response.id, last)
        try:
            async with aclosing(self._generate(response, job.input, job.private)) as steps:
                async for step in steps:
                    kept = [step.json] if step.number > last and response.streamed else []
                    if step.status is not None:
                        await events.flush()
                        await self._end(job, step, events, kept)
                    elif kept:
                        events.add(step.json)
        except InvalidRequest as error:
            async with job.step() as query:
                current = await self._responses.lock(query, job.id)
                if current.status in OPEN:
                    await self._fail(query, current, "invalid_prompt", error.message)
                await job.end(query, "failed")
        finally:
            await events.close()

    async def _end(
        self, job: RunningJob, step: Step, events: EventWriter, last: Sequence[bytes]
    ) -> None:
        """The end of the response, all of it in one transaction."""
        assert step.status is not None
        async with job.step() as query:
            response = await self._responses.lock(query, job.id)
            if response.status in OPEN:
                response = replace(
                    response, status=step.status, response=step.response, output=step.output
                )
                await events.write(query, *last)
                await self._responses.update(query, response)
                if step.status != "failed":
                    await self._keeping.extend_conversation(query, response)
            await job.end(query, step.status)

    async def _fail(self, query: Query, response: StoredResponse, code: str, message: str) -> None:
        text = changed(response, status="failed", error={"code": code, "message": message})
        failed = replace(response, status="failed", response=text)
        if response.streamed:
            last = await self._responses.events.last(query, response.id)
            events = [_event("response.failed", failed)]
            if last < 0:
                begun = replace(response, response=changed(response, status="in_progress"))
                events[:0] = [_event(name, begun) for name in _BEGINNING]
            texts = [
                msgspec.json.encode({**event, "sequence_number": number}).decode()
                for number, event in enumerate(events, last + 1)
            ]
            last += len(texts)
            await self._responses.events.add(query, response.id, last, "\n".join(texts))
        await self._responses.update(query, failed)


def _event(type: str, response: StoredResponse) -> dict[str, Any]:
    return {"type": type, "sequence_number": 0, "response": msgspec.Raw(response.json())}
