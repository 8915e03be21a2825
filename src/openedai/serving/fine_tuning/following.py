"""Follows a process that trains: its reports become events, checkpoints and models of the job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec

from openedai.errors import APIError, EngineFailed
from openedai.jobs.handler import RunningJob
from openedai.serving.fine_tuning.parts import TrainingParts
from openedai.serving.fine_tuning.results import ResultFiles
from openedai.store.contents import Writing
from openedai.store.database import Query
from openedai.store.fine_tuning import (
    CHECKPOINT,
    CheckpointRecord,
    FineTuningRecords,
    JobRecord,
    TunedModel,
)
from openedai.store.ids import ordered_id
from openedai.training.messages import Finished, Paused, Prepared, Report, Saved, Step

_STATE, _ADAPTER = "state.pt", "adapter.gguf"
_ORGANISATION = "openedai"
_SHORT_ID = 8
_CHUNK = 4 << 20
_MOST_STEPS = 1_000_000
# How long a process that trains may take to save a checkpoint when the server stops.
_STOP_SECONDS = 8.0


class Training(Protocol):
    """What is followed; `openedai.training.trainer.Trainer` implements it."""

    def reports(self) -> AsyncIterator[Report]: ...
    def pause(self) -> None: ...
    async def close(self) -> None: ...


@asynccontextmanager
async def changing(
    job: RunningJob, records: FineTuningRecords
) -> AsyncIterator[tuple[Query, JobRecord]]:
    """A step of a job that changes its record. Raises LeaseLost."""
    async with job.step() as query:
        record = await records.locked(query, job.id)
        yield query, record
        await records.update(query, record)


class Following:
    """`base` is the id of the model that the adapter is for, `weights` the file of its weights."""

    def __init__(
        self,
        parts: TrainingParts,
        job: RunningJob,
        base: str,
        weights: Path,
        trainer: Training,
    ) -> None:
        self._store = parts.store
        self._records = parts.records
        self._files = parts.files
        self._job = job
        self._base = base
        self._weights = weights
        self._trainer = trainer
        self.tokens = 0  # that the job has trained so far
        self._cancelled = False
        self._began = time.monotonic()
        self._first: int | None = None  # the step that this attempt began with

    async def run(self) -> None:
        """Run until the job has ended or is paused. If this is cancelled because the server stops,
        a checkpoint is saved first. Raises EngineFailed if the process died.
        """
        following = asyncio.create_task(self._follow())
        obeying = asyncio.create_task(self._obey())
        try:
            await asyncio.shield(following)
        except asyncio.CancelledError:
            if not self._job.lost:
                self._trainer.pause()
                with suppress(TimeoutError, APIError):
                    async with asyncio.timeout(_STOP_SECONDS):
                        await asyncio.shield(following)
            raise
        finally:
            for task in (following, obeying):
                task.cancel()
            await asyncio.gather(following, obeying, return_exceptions=True)

    async def _obey(self) -> None:
        await self._job.interrupted.wait()
        if self._job.requested == "pause":
            self._trainer.pause()
        else:
            self._cancelled = True
            await self._trainer.close()

    async def _follow(self) -> None:
        try:
            async with aclosing(self._trainer.reports()) as reports:  # type: ignore[type-var]
                async for report in reports:
                    await self._take(report)
        except EngineFailed:
            if not self._cancelled:
                raise
            await end_cancelled(self._job, self._records)

    async def _take(self, report: Report) -> None:
        match report:
            case Prepared():
                await self._prepared(report)
            case Step():
                await self._step(report)
            case Saved():
                await self._saved(report)
            case Finished():
                await self._finished(report)
            case Paused() if self._job.requested == "pause":
                async with self._changing() as (query, record):
                    record.status = "paused"
                    await self._records.add_event(query, record.id, "The job is paused")
                    await self._job.pause(query)
            case _:  # this server stops, or someone stopped the process
                raise EngineFailed("The process that trains was stopped.")

    async def _prepared(self, report: Prepared) -> None:
        async with self._changing() as (query, record):
            record.values = msgspec.to_builtins(report.hyperparameters)
            record.steps = report.steps
            if report.truncated:
                message = f"{report.truncated} examples are longer than the model's context"
                await self._records.add_event(
                    query, record.id, f"{message} and were truncated", level="warn"
                )

    async def _step(self, report: Step) -> None:
        if self._first is None:
            self._first = report.step - 1
            self._began = time.monotonic()
        self.tokens = report.tokens
        metrics = {"step": report.step, **report.metrics}
        async with self._changing() as (query, record):
            metrics["total_steps"] = record.steps
            record.trained_tokens = report.tokens
            record.estimated_finish = self._finish_time(report.step, record.steps)
            message = f"Step {report.step}/{record.steps}: training loss={_loss(report, 'train')}"
            if "valid_loss" in report.metrics:
                message += f", validation loss={_loss(report, 'valid')}"
            await self._records.add_event(query, record.id, message, step=report.step, data=metrics)

    def _finish_time(self, step: int, steps: int) -> float | None:
        """When the job will end if it goes on at the present speed; None at the first step."""
        done = step - (self._first or 0) - 1
        if done <= 0:
            return None
        return time.time() + (time.monotonic() - self._began) / done * (steps - step)

    async def _saved(self, report: Saved) -> None:
        """Store a checkpoint: the state to go on from and, at the end of an epoch, the adapter."""
        job, contents = self._job, self._store.contents
        folder, holder = Path(report.path), ordered_id("ftstate_")
        async with contents.writing() as state, contents.writing() as adapter:
            await _upload(folder / _STATE, state)
            if report.epoch is not None:
                await _upload(folder / _ADAPTER, adapter)
            keys: list[str] = []
            async with self._changing() as (query, record):
                await contents.record(query, holder, state)
                if report.epoch is not None:
                    await self._add_checkpoint(query, record, report, adapter)
                if job.progress is not None:
                    keys = await contents.remove(query, job.progress["state"])
                await job.save(query, {"state": holder, "step": report.step})
        await contents.discard(keys)

    async def _add_checkpoint(
        self, query: Query, record: JobRecord, report: Saved, adapter: Writing
    ) -> None:
        name = f"{self._name(record)}:ckpt-step-{report.step}"
        now, id = time.time(), ordered_id(CHECKPOINT)
        await self._store.contents.record(query, id, adapter)
        checkpoint = CheckpointRecord(id, record.id, report.step, now, name, report.metrics)
        await self._records.add_checkpoint(query, checkpoint)
        model = TunedModel(name, self._base, record.id, id, now, record.owner)
        await self._records.add_model(query, model)
        message = f"Checkpoint created at step {report.step}"
        await self._records.add_event(query, record.id, message, step=report.step)

    async def _finished(self, report: Finished) -> None:
        """End the job with the model of the last checkpoint and the file of the results."""
        (last,) = await self._records.checkpoints(self._job.id, 1)
        events = await self._records.events(self._job.id, _MOST_STEPS, newest_first=False)
        steps = [(one.step, _metrics(one.data)) for one in events if one.data is not None]
        keys: list[str] = []
        results = ResultFiles(self._store, self._files, self._weights, self._base)
        async with (
            results.made(steps, last.id) as made,
            self._changing() as (query, record),
        ):
            name, now = self._name(record), time.time()
            record.result_files = await made.add(query, record.owner)
            model = TunedModel(name, self._base, record.id, last.id, now, record.owner)
            await self._records.add_model(query, model)
            record.status, record.finished_at, record.estimated_finish = "succeeded", now, None
            record.fine_tuned_model, record.trained_tokens = name, report.tokens
            for message in (
                f"New fine-tuned model created: {name}",
                "The job has successfully completed",
            ):
                await self._records.add_event(query, record.id, message)
            if self._job.progress is not None:
                keys = await self._store.contents.remove(query, self._job.progress["state"])
            await self._job.end(query, "succeeded")
        await self._store.contents.discard(keys)

    def _name(self, record: JobRecord) -> str:
        """The name of the model that the job makes."""
        suffix = record.suffix or ""
        return f"ft:{self._base}:{_ORGANISATION}:{suffix}:{record.id[-_SHORT_ID:]}"

    def _changing(self) -> AbstractAsyncContextManager[tuple[Query, JobRecord]]:
        return changing(self._job, self._records)


async def end_cancelled(job: RunningJob, records: FineTuningRecords) -> None:
    """End a job that a client cancelled, in a step."""
    async with changing(job, records) as (query, record):
        record.status, record.finished_at = "cancelled", time.time()
        await records.add_event(query, record.id, "The job was cancelled")
        await job.end(query, "cancelled")


async def _upload(path: Path, writing: Writing) -> None:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            await writing.add(chunk)
    finally:
        await asyncio.to_thread(file.close)
    await writing.end()


def _loss(report: Step, which: str) -> str:
    return f"{report.metrics[f'{which}_loss']:.3f}"


def _metrics(data: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in data.items() if name not in ("step", "total_steps")}
