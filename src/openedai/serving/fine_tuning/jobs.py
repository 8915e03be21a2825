"""Fine-tuning jobs as clients see them: creates, pauses, resumes and cancels them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openedai.catalog.catalog import Catalog
from openedai.engines.registry import engine_entry
from openedai.errors import InvalidRequest, ModelNotFound, Unsupported
from openedai.identity import Identity
from openedai.jobs.jobs import CANCELLED, PAUSED, Action, Jobs
from openedai.serving.fine_tuning.models import TunedModels
from openedai.store.database import Query
from openedai.store.files import Files
from openedai.store.fine_tuning import JOB, KIND, FineTuningRecords, JobRecord
from openedai.store.ids import ordered_id
from openedai.store.store import Store

_PURPOSE = "fine-tune"


def _check_installed() -> None:
    from openedai.training.trainer import check_installed  # not at the server's start

    check_installed()


@dataclass(frozen=True)
class NewJob:
    """What a client asks for. `given` are the hyperparameters that are not `auto`."""

    model: str
    training_file: str
    validation_file: str | None
    method: str
    given: dict[str, Any]
    seed: int
    suffix: str | None = None
    metadata: dict[str, str] | None = None


class FineTuning:
    def __init__(
        self,
        store: Store,
        records: FineTuningRecords,
        files: Files,
        jobs: Jobs,
        catalog: Catalog,
        tuned: TunedModels,
        check: Callable[[], None] = _check_installed,
    ) -> None:
        """`check` raises if nothing can be trained here."""
        self.records = records
        self._store = store
        self._files = files
        self._jobs = jobs
        self._catalog = catalog
        self._tuned = tuned
        self._check = check

    async def create(self, new: NewJob, identity: Identity) -> JobRecord:
        """Raises NotFound and InvalidRequest for files and models that cannot be used."""
        self._check()
        owner = identity.project
        await self._tuned.prepare(owner, new.model)
        self._check_model(identity, new.model)
        await self._check_file(owner, new.training_file, "training_file")
        if new.validation_file is not None:
            await self._check_file(owner, new.validation_file, "validation_file")
        job = JobRecord(
            id=ordered_id(JOB),
            created_at=time.time(),
            model=new.model,
            training_file=new.training_file,
            validation_file=new.validation_file,
            method=new.method,
            given=new.given,
            seed=new.seed,
            suffix=new.suffix,
            metadata=new.metadata,
            owner=owner,
        )
        async with (await self._store.database()).write() as query:
            await self.records.insert(query, job)
            await self._jobs.add(query, KIND, job.id, {})
            await self.records.add_event(query, job.id, f"Created fine-tuning job: {job.id}")
            validating = f"Validating training file: {job.training_file}"
            await self.records.add_event(query, job.id, validating)
        self._jobs.wake()
        return job

    async def cancel(self, owner: str, id: str) -> JobRecord:
        """Raises NotFound, and InvalidRequest for a job that has ended."""

        async def cancel(query: Query, job: JobRecord) -> None:
            if await self._ask(query, job, "cancel") == CANCELLED:
                job.status, job.finished_at = "cancelled", time.time()
                await self.records.add_event(query, id, "The job was cancelled")

        return await self._change(owner, id, cancel)

    async def pause(self, owner: str, id: str) -> JobRecord:
        """Raises as `cancel`."""

        async def pause(query: Query, job: JobRecord) -> None:
            if await self._ask(query, job, "pause") == PAUSED:
                job.status = "paused"
                await self.records.add_event(query, id, "The job is paused")

        return await self._change(owner, id, pause)

    async def resume(self, identity: Identity, id: str) -> JobRecord:
        """Raises NotFound, also if the key may not use the model, and InvalidRequest for a job that
        is not paused.
        """
        model = (await self.records.find(identity.project, id)).model
        if not self._catalog.permits(identity, model):
            raise ModelNotFound(model)

        async def resume(query: Query, job: JobRecord) -> None:
            if not await self._jobs.resume(query, id):
                raise _not_possible(job, "resumed")
            if job.status == "paused":
                job.status = "queued"
                await self.records.add_event(query, id, "The job is resumed")

        return await self._change(identity.project, id, resume)

    async def _ask(self, query: Query, job: JobRecord, action: Action) -> str:
        state = await self._jobs.request(query, job.id, action)
        if state is None or not job.open:
            raise _not_possible(job, "cancelled" if action == "cancel" else "paused")
        return state

    async def _change(
        self, owner: str, id: str, change: Callable[[Query, JobRecord], Any]
    ) -> JobRecord:
        await self.records.find(owner, id)
        async with (await self._store.database()).write() as query:
            await self._jobs.lock(query, id)
            job = await self.records.locked(query, id)
            await change(query, job)
            await self.records.update(query, job)
        self._jobs.wake()
        return job

    def _check_model(self, identity: Identity, name: str) -> None:
        spec = self._catalog.resolve_for(identity, name).spec
        entry = engine_entry(spec.engine)
        if not (entry.takes_adapters and entry.weight_files == "gguf"):
            raise Unsupported(
                f"The model `{name}` cannot be fine-tuned: only text models that llama.cpp runs "
                "here can.",
                code="unsupported_model",
                param="model",
            )

    async def _check_file(self, owner: str, id: str, param: str) -> None:
        record = await self._files.find(owner, id)
        if record.purpose != _PURPOSE:
            raise InvalidRequest(
                f"Invalid '{param}': the file `{id}` has the purpose `{record.purpose}`, and not "
                f"`{_PURPOSE}`.",
                code="invalid_value",
                param=param,
            )


def _not_possible(job: JobRecord, what: str) -> InvalidRequest:
    return InvalidRequest(
        f"The job {job.id} has the status `{job.status}` and cannot be {what}.",
        code="invalid_value",
        param="id",
    )
