"""A batch as a job: validates it, performs its lines, and makes its files."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, ClassVar, Literal

from openedai.errors import APIError, NotFound, Unavailable
from openedai.http.server.in_process import Perform
from openedai.jobs.handler import RunningJob
from openedai.serving.batches.lines import read_lines
from openedai.serving.batches.results import unanswered
from openedai.serving.batches.running import LinesRun
from openedai.serving.batches.service import KIND
from openedai.serving.batches.validation import Validator, read_line
from openedai.store.batches import ENDED, Batch, BatchRecords, LineError, Result
from openedai.store.contents import Contents, Writing
from openedai.store.database import Query
from openedai.store.files import Files, new_file

log = logging.getLogger("openedai.batches")

Outcome = Literal["completed", "cancelled", "expired", "failed"]
_SLOTS = 16
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LINE_ROOM = 64 << 10  # of a line in addition to its body
_UNANSWERED = {
    "cancelled": ("batch_cancelled", "This request was not performed: the batch was cancelled."),
    "expired": ("batch_expired", "This request was not performed before the batch expired."),
}
_DELETED = LineError("file_not_found", "The input file does not exist any more.", "input_file_id")


class BatchHandler:
    """`check_model` returns the error for a model that does not exist, given the endpoint and the
    name; `slots` returns how many slots a model has now.
    """

    kind: ClassVar[str] = KIND

    def __init__(
        self,
        records: BatchRecords,
        files: Files,
        contents: Contents,
        perform: Perform,
        *,
        check_model: Callable[[str, str], LineError | None],
        slots: Callable[[str | None], int],
        max_body_bytes: int,
    ) -> None:
        self.slots = _SLOTS
        self._records = records
        self._files = files
        self._contents = contents
        self._perform = perform
        self._check_model = check_model
        self._model_slots = slots
        self._limit = max_body_bytes + _LINE_ROOM

    async def run(self, job: RunningJob) -> None:
        """If the store cannot be used, for example because the disk is full, the batch is
        delayed.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._run(job)
                return
            except Unavailable as error:
                log.warning("%s waits %g s: %s", job.id, pause, error.message)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _run(self, job: RunningJob) -> None:
        batch = await self._records.load(job.input["batch"])
        if batch.status in ENDED:
            async with job.step() as query:
                await job.end(query, batch.status)
            return
        outcome: Outcome = "cancelled"
        if batch.status != "cancelling":
            outcome = await self._outcome(job, batch)
        if not job.ended:
            await self._finish(job, batch.id, outcome)

    async def fail(self, query: Query, id: str, input: Any, reason: str) -> None:
        batch = await self._records.lock(query, input["batch"])
        await self._set_failed(query, batch, [LineError("server_error", reason)])
        await self._records.remove_results(query, batch.id)

    async def _outcome(self, job: RunningJob, batch: Batch) -> Outcome:
        """Work until all lines are answered, or the batch is cancelled or expires."""
        done = await self._records.answered(batch.id)
        if batch.status != "validating" and len(done) >= batch.total:
            return "completed"
        work = asyncio.create_task(self._work(job, batch, done))
        ending = asyncio.create_task(_cancelled_or_expired(job, batch))
        try:
            await asyncio.wait({work, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            ending.cancel()
            await asyncio.wait({work, ending})
        return ending.result() if work.cancelled() else work.result()

    async def _work(self, job: RunningJob, batch: Batch, done: set[int]) -> Outcome:
        try:
            record = await self._files.find(batch.owner, batch.input_file_id)
            if batch.status == "validating":
                batch = await self._validated(job, batch)
                if job.ended:
                    return "failed"
            run = LinesRun(
                job, batch, self._records, self._perform, lambda: self._model_slots(batch.model)
            )
            await run.run(self._files, record, self._limit, done)
        except APIError:
            if await self._file_exists(batch):
                raise
            return "failed"
        return "completed"

    async def _validated(self, job: RunningJob, batch: Batch) -> Batch:
        """The batch with the lines counted. The job has ended if they are not valid."""
        validator = Validator(batch.endpoint)
        async with aclosing(self._lines(batch)) as lines:
            async for number, line in lines:
                validator.add(number, line)
                if validator.full:
                    break
        validator.end()
        errors = validator.errors
        if not errors and validator.model is not None:
            missing = self._check_model(batch.endpoint, validator.model)
            errors = [] if missing is None else [missing]
        async with job.step() as query:
            batch = await self._records.lock(query, batch.id)
            batch.model = validator.model
            if errors:
                await self._set_failed(query, batch, errors)
                await job.end(query, "failed")
                return batch
            batch.total, batch.in_progress_at = validator.lines, time.time()
            if batch.status == "validating":
                batch.status = "in_progress"
            await self._records.update(query, batch)
        return batch

    async def _finish(self, job: RunningJob, id: str, outcome: Outcome) -> None:
        """Put the results into files, and end the batch and the job."""
        async with job.step() as query:
            batch = await self._records.lock(query, id)
            if batch.status == "cancelling":
                outcome = "cancelled"
            else:
                batch.status, batch.finalizing_at = "finalizing", time.time()
            await self._records.update(query, batch)
        async with self._contents.writing() as output, self._contents.writing() as errors:
            async with aclosing(self._results(batch, outcome)) as results:
                async for result in results:
                    content = output if result.succeeded else errors
                    await content.add(result.text.encode() + b"\n")
            await output.end()
            await errors.end()
            async with job.step() as query:
                batch = await self._records.lock(query, id)
                await self._add_files(query, batch, output, errors)
                await self._records.remove_results(query, id)
                _end(batch, outcome)
                await self._records.update(query, batch)
                await job.end(query, batch.status)

    async def _results(self, batch: Batch, outcome: Outcome) -> AsyncGenerator[Result, None]:
        """All results, then those of the lines that are not answered."""
        async with aclosing(self._records.results(batch.id)) as results:
            async for result in results:
                yield result
        if outcome not in _UNANSWERED or batch.total == 0 or not await self._file_exists(batch):
            return
        done = await self._records.answered(batch.id)
        async with aclosing(self._lines(batch)) as lines:
            async for number, line in lines:
                if number not in done and line is not None:
                    custom_id = read_line(line).custom_id
                    yield unanswered(number, custom_id, *_UNANSWERED[outcome])

    async def _add_files(
        self, query: Query, batch: Batch, output: Writing, errors: Writing
    ) -> None:
        ids: list[str | None] = []
        for name, content in (("output", output), ("error", errors)):
            if not content.size:
                ids.append(None)
                continue
            record = new_file(
                *("batch_output", f"{batch.id}_{name}.jsonl", content.size, batch.owner),
                seconds=batch.output_seconds,
            )
            await self._files.add(query, record, content, enforced=False)
            ids.append(record.id)
        batch.output_file_id, batch.error_file_id = ids

    async def _lines(self, batch: Batch) -> AsyncGenerator[tuple[int, bytes | None], None]:
        record = await self._files.find(batch.owner, batch.input_file_id)
        async with aclosing(read_lines(self._files, record, self._limit)) as lines:
            async for number, line in lines:
                yield number, line

    async def _file_exists(self, batch: Batch) -> bool:
        try:
            await self._files.find(batch.owner, batch.input_file_id)
        except NotFound:
            return False
        return True

    async def _set_failed(self, query: Query, batch: Batch, errors: list[LineError]) -> None:
        batch.status, batch.failed_at, batch.errors = "failed", time.time(), errors
        await self._records.update(query, batch)


def _end(batch: Batch, outcome: Outcome) -> None:
    batch.status = "cancelled" if batch.status == "cancelling" else outcome
    now = time.time()
    match batch.status:
        case "completed":
            batch.completed_at = now
        case "expired":
            batch.expired_at = now
        case "cancelled":
            batch.cancelled_at = now
        case "failed":
            batch.failed_at, batch.errors = now, [_DELETED]


async def _cancelled_or_expired(job: RunningJob, batch: Batch) -> Outcome:
    """Wait until the batch is cancelled or has expired. Returns which."""
    try:
        async with asyncio.timeout(max(0.0, batch.expires_at - time.time())):
            await job.interrupted.wait()
    except TimeoutError:
        return "expired"
    return "cancelled"
