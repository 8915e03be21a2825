"""The records of fine-tuning: jobs, their events and checkpoints, and the models that they made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from openedai.errors import NotFound
from openedai.store.database import Query, Value
from openedai.store.ids import is_id, ordered_id
from openedai.store.store import Store

KIND = "fine_tuning"  # of jobs
_MOST_READ = 200  # jobs at once
JOB, EVENT, CHECKPOINT = "ftjob-", "ftevent-", "ftckpt_"
_MODEL = "name, base, job, content, created_at, owner"
# The states that a job can still leave.
OPEN = ("validating_files", "queued", "running", "paused")


class JobRecord(msgspec.Struct, kw_only=True):
    """A job. `model` is the base as the client named it, `owner` a digest of the client's
    key, or empty.

    `given` are the hyperparameters as given, `values` those that are used, once that is known.
    `error` has a code, a message and a param. Times are seconds since 1970.
    """

    id: str
    created_at: float
    status: str = "validating_files"
    model: str
    training_file: str
    validation_file: str | None = None
    method: str = "supervised"
    given: dict[str, Any] = {}
    values: dict[str, Any] = {}
    seed: int = 0
    suffix: str | None = None
    metadata: dict[str, str] | None = None
    owner: str = ""
    steps: int = 0
    error: dict[str, Any] | None = None
    fine_tuned_model: str | None = None
    finished_at: float | None = None
    estimated_finish: float | None = None
    trained_tokens: int | None = None
    result_files: list[str] = []

    @property
    def open(self) -> bool:
        return self.status in OPEN


@dataclass(frozen=True)
class EventRecord:
    """`data` are the metrics of a step, for the type "metrics"."""

    id: str
    step: int
    created_at: float
    level: str
    message: str
    type: str
    data: dict[str, Any] | None


@dataclass(frozen=True)
class CheckpointRecord:
    id: str
    job: str
    step: int
    created_at: float
    model: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class TunedModel:
    """`base` is the id of the model that its adapter is for, `content` the holder of the adapter's
    file, `owner` the owner of the job.
    """

    name: str
    base: str
    job: str
    content: str
    created_at: float
    owner: str


class FineTuningRecords:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._last_event = ""

    async def insert(self, query: Query, job: JobRecord) -> None:
        await query.run(
            "insert into fine_tuning_jobs(id, status, body, owner) values($1, $2, $3, $4)",
            *(job.id, job.status, _text(job), job.owner),
        )

    async def update(self, query: Query, job: JobRecord) -> None:
        await query.run(
            "update fine_tuning_jobs set status=$1, body=$2 where id=$3",
            *(job.status, _text(job), job.id),
        )

    async def locked(self, query: Query, id: str) -> JobRecord:
        """Lock a job until the end of the transaction, and return it. Raises NotFound."""
        lock = (await self._store.database()).for_update
        return _job(await query(f"select body from fine_tuning_jobs where id=$1{lock}", id), id)

    async def find(self, owner: str, id: str) -> JobRecord:
        """Raises NotFound."""
        database = await self._store.database()
        by_id = "select body from fine_tuning_jobs where id=$1 and owner=$2"
        return _job(await database.read(by_id, id, owner) if is_id(id) else [], id)

    async def load(self, id: str) -> JobRecord:
        """The job, whoever owns it, for the server that runs it. Raises NotFound."""
        database = await self._store.database()
        return _job(await database.read("select body from fine_tuning_jobs where id=$1", id), id)

    async def page(
        self,
        owner: str,
        limit: int,
        after: str | None = None,
        matches: Callable[[JobRecord], bool] = lambda job: True,
    ) -> list[JobRecord]:
        """Matching jobs, the newest first, after the one with the id `after`."""
        found: list[JobRecord] = []
        while True:
            rows = await self._page(
                "fine_tuning_jobs", "body", "owner=$1", [owner], _MOST_READ, after
            )
            jobs = [msgspec.json.decode(body, type=JobRecord) for (body,) in rows]
            found += filter(matches, jobs)
            if len(rows) < _MOST_READ or len(found) >= limit:
                return found[:limit]
            after = jobs[-1].id

    async def add_event(
        self,
        query: Query,
        job: str,
        message: str,
        *,
        level: str = "info",
        step: int = 0,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Add an event; with `data` its type is "metrics"."""
        id = ordered_id(EVENT)
        while id <= self._last_event:  # of the same millisecond
            id = ordered_id(EVENT)
        self._last_event = id
        body = {"level": level, "message": message, "data": data}
        await query.run(
            "insert into fine_tuning_events(id, job, step, created_at, body) "
            "values($1, $2, $3, $4, $5)",
            *(id, job, step, time.time(), _text(body)),
        )

    async def forget_steps(self, query: Query, job: str, after: int) -> None:
        """Delete the events of later steps, which are done again."""
        await query.run("delete from fine_tuning_events where job=$1 and step > $2", job, after)

    async def events(
        self, job: str, limit: int, after: str | None = None, *, newest_first: bool = True
    ) -> list[EventRecord]:
        columns = "id, step, created_at, body"
        rows = await self._page(
            "fine_tuning_events", columns, "job=$1", [job], limit, after, newest_first=newest_first
        )
        return [_event(*row) for row in rows]

    async def add_checkpoint(self, query: Query, checkpoint: CheckpointRecord) -> None:
        body = {"model": checkpoint.model, "metrics": checkpoint.metrics}
        await query.run(
            "insert into fine_tuning_checkpoints(id, job, step, created_at, body) "
            "values($1, $2, $3, $4, $5)",
            *(checkpoint.id, checkpoint.job, checkpoint.step),
            *(checkpoint.created_at, _text(body)),
        )

    async def checkpoints(
        self, job: str, limit: int, after: str | None = None
    ) -> list[CheckpointRecord]:
        """The newest first."""
        columns = "id, job, step, created_at, body"
        rows = await self._page("fine_tuning_checkpoints", columns, "job=$1", [job], limit, after)
        return [_checkpoint(*row) for row in rows]

    async def add_model(self, query: Query, model: TunedModel) -> None:
        await query.run(
            f"insert into tuned_models({_MODEL}) values($1, $2, $3, $4, $5, $6)",
            *(model.name, model.base, model.job, model.content, model.created_at, model.owner),
        )

    async def models(self, owner: str) -> list[TunedModel]:
        """All models of this owner, in the order in which they were made."""
        if not self._store.exists:
            return []
        database = await self._store.database()
        rows = await database.read(
            f"select {_MODEL} from tuned_models where owner=$1 order by created_at, name", owner
        )
        return [TunedModel(*row) for row in rows]

    async def model(self, name: str) -> TunedModel | None:
        """The model, whoever owns it."""
        if not self._store.exists:
            return None
        database = await self._store.database()
        rows = await database.read(f"select {_MODEL} from tuned_models where name=$1", name)
        return TunedModel(*rows[0]) if rows else None

    async def remove_model(self, query: Query, name: str) -> str | None:
        """Forget a model. Returns the holder of its adapter if no other model has the same."""
        rows = await query("delete from tuned_models where name=$1 returning content", name)
        for (content,) in rows:
            if not await query("select 1 from tuned_models where content=$1", content):
                return str(content)
        return None

    async def _page(
        self,
        table: str,
        columns: str,
        where: str,
        args: list[Value],
        limit: int,
        after: str | None,
        *,
        newest_first: bool = True,
    ) -> list[Any]:
        conditions = [where]
        values = [*args, limit]
        if after is not None:
            values.append(after)
            conditions.append(f"id {'<' if newest_first else '>'} ${len(values)}")
        order = "desc" if newest_first else "asc"
        database = await self._store.database()
        return await database.read(
            f"select {columns} from {table} where {' and '.join(conditions)} "
            f"order by id {order} limit ${len(args) + 1}",
            *values,
        )


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _job(rows: list[Any], id: str) -> JobRecord:
    if not rows:
        raise NotFound(f"Could not find fine tune: {id}", code="fine_tune_not_found", param="id")
    return msgspec.json.decode(rows[0][0], type=JobRecord)


def _event(id: str, step: int, created_at: float, body: str) -> EventRecord:
    fields = msgspec.json.decode(body)
    data = fields["data"]
    type = "message" if data is None else "metrics"
    return EventRecord(id, step, created_at, fields["level"], fields["message"], type, data)


def _checkpoint(id: str, job: str, step: int, created_at: float, body: str) -> CheckpointRecord:
    fields = msgspec.json.decode(body)
    return CheckpointRecord(id, job, step, created_at, fields["model"], fields["metrics"])
