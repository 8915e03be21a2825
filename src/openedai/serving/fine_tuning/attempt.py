"""One attempt at a fine-tuning job: checks its files, and starts a process that trains."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from openedai.catalog.models import training_spec
from openedai.config import ModelSpec
from openedai.contract.generate import Usage
from openedai.errors import InvalidRequest, NotFound, invalid_value
from openedai.gguf.header import read_header
from openedai.http.exchange import Exchange
from openedai.identity import Identity
from openedai.jobs.handler import RunningJob
from openedai.serving.fine_tuning.following import Following, Training, changing, end_cancelled
from openedai.serving.fine_tuning.parts import TrainingParts
from openedai.serving.usage.kinds import FINE_TUNING
from openedai.store.fine_tuning import JobRecord
from openedai.training.files import MIN_EXAMPLES, check_lines, refuse_problems
from openedai.training.hyperparameters import Hyperparameters
from openedai.training.lines import Method
from openedai.training.messages import Task
from openedai.training.trainer import Trainer

# The options of a model that determine how prompts are written, and how long they may be.
_OPTIONS = frozenset({"chat_template", "prompt_format", "context"})
# Bytes for each weight, and bytes in addition: of models with up to this many weights, and of
# others.
_SMALL = 400_000_000
_SMALL_BYTES, _SMALL_BESIDE = 4, 2 << 30
_BYTES, _BESIDE = 2, 2600 << 20


@dataclass(frozen=True)
class Base:
    """The model that a job begins with: its spec, the file of its weights, the file of an adapter,
    and the folder of the weights that are trained instead.
    """

    spec: ModelSpec
    weights: Path
    adapter: Path | None
    source: Path | None


class Attempt:
    """`folder` is for the job's files; `start` starts the process that trains."""

    def __init__(
        self,
        parts: TrainingParts,
        job: RunningJob,
        start: Callable[[Task], Awaitable[Training]] = Trainer.start,
    ) -> None:
        self._parts = parts
        self._records = parts.records
        self._job = job
        self._folder = parts.folder / f"{job.id}-{job.fence}"
        self._start = start

    async def run(self) -> None:
        """Raises the errors after which the job is tried again."""
        job = self._job
        try:
            if job.requested == "cancel":
                await end_cancelled(job, self._records)
            elif job.requested == "pause":
                await self._pause()
            else:
                await self._run(await self._records.load(job.id))
        except InvalidRequest as error:
            await self._fail(error)
        finally:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _base(self, owner: str, name: str) -> Base:
        """The model of a name, downloaded if need be. Raises ModelNotFound and Unavailable."""
        parts = self._parts
        await parts.tuned.prepare(owner, name)
        model = parts.catalog.resolve(name)
        source, folder = training_spec(model.spec), None
        with parts.downloads.pulling(model.spec.id) as progress:
            weights = await asyncio.to_thread(parts.library.pull, model.spec, progress)
            if source is not None:
                folder = await asyncio.to_thread(parts.library.pull, source, progress)
        if weights is None:
            raise invalid_value("model", f"`{name}` has no weights")
        adapter = None if model.adapter is None else Path(model.adapter.path)
        return Base(model.spec, weights, adapter, folder)

    async def _run(self, record: JobRecord) -> None:
        job, parts = self._job, self._parts
        base = await self._base(record.owner, record.model)
        task = await self._task(record, base)
        async with parts.pool.reserve(await asyncio.to_thread(_memory, base.weights)):
            async with changing(job, self._records) as (query, changed):
                changed.status = "running"
                step = 0 if job.progress is None else job.progress["step"]
                await self._records.forget_steps(query, job.id, step)
                message = f"Going on after step {step}" if step else "Fine-tuning job started"
                await self._records.add_event(query, job.id, message)
            exchange = Exchange(
                *(job.id, "POST", "/v1/fine_tuning/jobs", parts.dialect),
                identity=Identity(project=record.owner),
                origin="fine_tuning",
            )
            trainer = await self._start(task)
            following = Following(parts, job, base.spec.id, base.weights, trainer)
            try:
                with parts.ends.attempt(exchange):
                    use = exchange.use(record.model, base.spec.id, FINE_TUNING)
                    try:
                        await following.run()
                    finally:
                        more = following.tokens - (record.trained_tokens or 0)
                        use.add(Usage(prompt_tokens=max(0, more)))
            finally:
                await trainer.close()

    async def _pause(self) -> None:
        async with changing(self._job, self._records) as (query, record):
            record.status = "paused"
            await self._records.add_event(query, record.id, "The job is paused")
            await self._job.pause(query)

    async def _task(self, record: JobRecord, base: Base) -> Task:
        """What to train, with its files here."""
        job, folder = self._job, self._folder
        training = await self._fetch(record, record.training_file, folder / "training_file")
        validation = None
        if record.validation_file is not None:
            path = folder / "validation_file"
            validation = await self._fetch(record, record.validation_file, path, least=1)
        if job.progress is None:
            async with changing(job, self._records) as (query, changed):
                changed.status = "queued"
                message = "Files validated, moving job to queued state"
                await self._records.add_event(query, job.id, message)
        resume = None
        if job.progress is not None:
            resume = folder / "resume"
            await self._write(job.progress["state"], resume / "state.pt")
        return Task(
            model=record.model,
            path=str(base.weights),
            options={name: base.spec.options[name] for name in _OPTIONS & base.spec.options.keys()},
            training_file=str(training),
            validation_file=None if validation is None else str(validation),
            folder=str(folder / "checkpoints"),
            method=_method(record),
            hyperparameters=msgspec.convert(record.given, Hyperparameters),
            seed=record.seed,
            resume=None if resume is None else str(resume),
            start=None if base.adapter is None else str(base.adapter),
            source=None if base.source is None else str(base.source),
            threads=self._parts.threads,
        )

    async def _fetch(
        self, record: JobRecord, id: str, path: Path, *, least: int = MIN_EXAMPLES
    ) -> Path:
        """A checked copy of a file. Raises InvalidRequest for a file that cannot be trained on."""
        try:
            await self._write((await self._parts.files.find(record.owner, id)).id, path)
        except NotFound as error:
            raise invalid_value(path.name, f"the file `{id}` was deleted") from error

        def check() -> None:
            with path.open("rb") as lines:
                checked = check_lines(lines, _method(record))
            refuse_problems(checked, path.name, least=least)

        await asyncio.to_thread(check)
        return path

    async def _write(self, holder: str, path: Path) -> None:
        """Copy a content to a file."""
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        database = await self._parts.store.database()
        file = await asyncio.to_thread(path.open, "wb")
        try:
            async with aclosing(self._parts.store.contents.read(database, holder)) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)
        finally:
            await asyncio.to_thread(file.close)

    async def _fail(self, error: InvalidRequest) -> None:
        """End a job that cannot be done because of its files or its model."""
        code = error.code or "invalid_request"
        if error.param in ("training_file", "validation_file"):
            code = f"invalid_{error.param}"
        async with changing(self._job, self._records) as (query, record):
            record.status, record.finished_at = "failed", time.time()
            record.error = {"code": code, "message": error.message, "param": error.param}
            await self._records.add_event(query, record.id, error.message, level="error")
            await self._job.end(query, "failed", error.message)


def _memory(weights: Path) -> int:
    """About how many bytes training needs. Raises InvalidRequest for weights that cannot be
    trained.
    """
    try:
        count = sum(tensor.weights for tensor in read_header(weights).tensors)
    except ValueError as error:
        raise invalid_value("model", f"its weights cannot be trained: {error}") from error
    if count <= _SMALL:
        return count * _SMALL_BYTES + _SMALL_BESIDE
    return count * _BYTES + _BESIDE


def _method(record: JobRecord) -> Method:
    return "dpo" if record.method == "dpo" else "supervised"
