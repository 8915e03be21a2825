"""`/v1/fine_tuning/jobs`: models are trained on files."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.fine_tuning.render import (
    checkpoint_object,
    event_object,
    job_object,
    list_object,
)
from openedai.api.openai.fine_tuning.types import (
    CheckpointListQuery,
    JobCreateRequest,
    JobListQuery,
)
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.jobs.jobs import Jobs
from openedai.serving.fine_tuning.jobs import FineTuning
from openedai.serving.fine_tuning.models import TunedModels
from openedai.store.files import Files
from openedai.store.fine_tuning import FineTuningRecords, JobRecord
from openedai.store.store import Store


class FineTuningJobs:
    def __init__(
        self,
        calls: Calls,
        store: Store,
        records: FineTuningRecords,
        files: Files,
        jobs: Jobs,
        catalog: Catalog,
        tuned: TunedModels,
    ) -> None:
        self._calls = calls
        self._tuning = FineTuning(store, records, files, jobs, catalog, tuned)

    @takes(JobCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, JobCreateRequest)
        job = await self._tuning.create(body.new_job(), exchange_of(request.scope).key)
        return json_response(job_object(job), headers=headers)

    async def list_jobs(self, request: Request) -> Response:
        query, headers = self._calls.query(request, JobListQuery)
        jobs = await self._tuning.records.page(query.limit + 1, query.after)
        return json_response(list_object([*map(job_object, jobs)], query.limit), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        return _shown(await self._tuning.records.find(request.path_params["id"]))

    async def cancel(self, request: Request) -> Response:
        return _shown(await self._tuning.cancel(request.path_params["id"]))

    async def pause(self, request: Request) -> Response:
        return _shown(await self._tuning.pause(request.path_params["id"]))

    async def resume(self, request: Request) -> Response:
        return _shown(await self._tuning.resume(request.path_params["id"]))

    async def events(self, request: Request) -> Response:
        """The newest first."""
        query, headers = self._calls.query(request, JobListQuery)
        job = await self._tuning.records.find(request.path_params["id"])
        found = await self._tuning.records.events(job.id, query.limit + 1, query.after)
        return json_response(list_object([*map(event_object, found)], query.limit), headers=headers)

    async def checkpoints(self, request: Request) -> Response:
        """The newest first."""
        query, headers = self._calls.query(request, CheckpointListQuery)
        job = await self._tuning.records.find(request.path_params["id"])
        found = await self._tuning.records.checkpoints(job.id, query.limit + 1, query.after)
        objects = [*map(checkpoint_object, found)]
        return json_response(list_object(objects, query.limit), headers=headers)


def _shown(job: JobRecord) -> Response:
    return json_response(job_object(job))
