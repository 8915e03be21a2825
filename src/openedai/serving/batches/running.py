"""Runs the lines of one batch, as many at once as its model has slots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress

from openedai.errors import APIError
from openedai.http.server.in_process import Answer, Perform
from openedai.identity import Identity
from openedai.jobs.handler import RunningJob
from openedai.jobs.leases import LeaseLost
from openedai.serving.batches.lines import read_lines
from openedai.serving.batches.results import add_usage, answered
from openedai.serving.batches.validation import Line, read_line
from openedai.store.batches import Batch, BatchRecords, Result
from openedai.store.files import FileRecord, Files

# How many lines run or wait in addition to twice the slots of the model, so that no slot is ever
# free.
_LEAST_LINES = 8
_MOST_BYTES = 64 << 20
# Results are written in groups: after this time, or when there are so many.
_WRITE_SECONDS = 0.3
_WRITE_RESULTS = 200
_MOST_UNWRITTEN = 1000
# A line is tried again if its error may pass.
_TRIES = 4
_LONGEST_PAUSE = 30.0


class LinesRun:
    """`slots` returns how many slots the model of the batch has now."""

    def __init__(
        self,
        job: RunningJob,
        batch: Batch,
        records: BatchRecords,
        perform: Perform,
        slots: Callable[[], int],
    ) -> None:
        self._job = job
        self._batch = batch
        self._records = records
        self._perform = perform
        self._slots = slots
        self._tasks: set[asyncio.Task[None]] = set()
        self._bytes = 0
        self._unwritten: list[tuple[Result, Answer]] = []
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()
        self._finished = False

    async def run(self, files: Files, record: FileRecord, limit: int, done: set[int]) -> None:
        """Perform every line that is not done, and write its result.

        Answers that exist are written on every way out, if this server still has the job.
        """
        writing = asyncio.create_task(self._write_groups())
        writing.add_done_callback(self._note)
        try:
            async with aclosing(read_lines(files, record, limit)) as lines:
                async for number, line in lines:
                    if number not in done and line is not None:
                        await self._room()
                        self._start(number, line)
            while self._tasks:
                await self._next_end()
            self._finished = True
            self._changed.set()
            await writing
        finally:
            await self._stop(writing)

    async def _room(self) -> None:
        """Wait until another line may begin."""
        while self._tasks and (
            len(self._tasks) >= _LEAST_LINES + 2 * self._slots()
            or self._bytes >= _MOST_BYTES
            or len(self._unwritten) >= _MOST_UNWRITTEN
        ):
            await self._next_end()

    async def _next_end(self) -> None:
        """Wait until a line ends. Raises what ended one, or the task that writes."""
        await self._ended.wait()
        self._ended.clear()
        if self._failure is not None:
            raise self._failure

    def _start(self, number: int, line: bytes) -> None:
        request = read_line(line)
        self._bytes += len(line)
        task = asyncio.create_task(self._line(number, request))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._end(task, len(line)))

    def _end(self, task: asyncio.Task[None], size: int) -> None:
        self._tasks.discard(task)
        self._bytes -= size
        self._note(task)

    def _note(self, task: asyncio.Task[None]) -> None:
        self._ended.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error

    async def _line(self, number: int, request: Line) -> None:
        body = bytes(request.body)
        for attempt in range(1, _TRIES + 1):
            batch = self._batch
            identity = batch.identity or Identity(project=batch.owner)
            answer = await self._perform("POST", batch.endpoint, body, batch.id, identity)
            pause = _pause(answer, attempt)
            if pause is None or attempt == _TRIES:
                break
            await asyncio.sleep(pause)
        self._unwritten.append((answered(number, request.custom_id, answer), answer))
        if len(self._unwritten) in (1, _WRITE_RESULTS):
            self._changed.set()

    async def _write_groups(self) -> None:
        while not self._finished or self._unwritten:
            await self._changed.wait()
            self._changed.clear()
            if not self._finished and len(self._unwritten) < _WRITE_RESULTS:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_WRITE_SECONDS):
                        await self._changed.wait()
                self._changed.clear()
            await self._write()
            if self._unwritten:
                self._changed.set()

    async def _write(self) -> None:
        group, self._unwritten = self._unwritten, []
        if not group:
            return
        try:
            async with self._job.step() as query:
                batch = await self._records.lock(query, self._batch.id)
                for result, answer in group:
                    batch.completed += result.succeeded
                    batch.failed += not result.succeeded
                    add_usage(batch.tokens, answer)
                await self._records.add_results(query, batch.id, [result for result, _ in group])
                await self._records.update(query, batch)
                await self._job.save(query, batch.completed + batch.failed)
        except BaseException:
            self._unwritten = group + self._unwritten
            raise

    async def _stop(self, writing: asyncio.Task[None]) -> None:
        tasks = {*self._tasks, writing}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if self._unwritten and not self._job.lost:
            with suppress(LeaseLost, APIError):
                done = await self._records.answered(self._batch.id)  # a commit may go unnoticed
                self._unwritten = [one for one in self._unwritten if one[0].line not in done]
                await self._write()


def _pause(answer: Answer, attempt: int) -> float | None:
    """The seconds after which a line is tried again; None if it is answered."""
    crashed = answer.status == 500 and b'"engine_crashed"' in answer.body
    if answer.status == 429 and b'"insufficient_quota"' in answer.body:
        return None  # for hours or days
    if crashed or (answer.status in (429, 503) and answer.retry_after is not None):
        return min(max(answer.retry_after or 0.0, 2.0 ** (attempt - 1)), _LONGEST_PAUSE)
    return None
