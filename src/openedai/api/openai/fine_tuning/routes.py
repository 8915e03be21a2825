"""`/v1/fine_tuning/jobs`: training models on files."""

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
    EventListQuery,
    JobCreateRequest,
    JobListQuery,
    PermissionCreateRequest,
    PermissionListQuery,
)
from openedai.api.route import takes
from openedai.errors import ModelNotFound, Unsupported
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.fine_tuning.jobs import FineTuning
from openedai.serving.fine_tuning.models import TunedModels
from openedai.store.fine_tuning import JobRecord


class FineTuningJobs:
    def __init__(self, calls: Calls, tuning: FineTuning, tuned: TunedModels) -> None:
        self._calls = calls
        self._tuning = tuning
        self._tuned = tuned

    @takes(JobCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, JobCreateRequest)
        job = await self._tuning.create(body.new_job(), exchange_of(request.scope).identity)
        return json_response(job_object(job), headers=headers)

    async def list_jobs(self, request: Request) -> Response:
        query, headers = self._calls.query(request, JobListQuery)
        owner = exchange_of(request.scope).owner
        jobs = await self._tuning.records.page(owner, query.limit + 1, query.after, query.matches)
        return json_response(list_object([*map(job_object, jobs)], query.limit), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        return _shown(await self._find(request))

    async def cancel(self, request: Request) -> Response:
        return _shown(await self._tuning.cancel(*_named(request)))

    async def pause(self, request: Request) -> Response:
        return _shown(await self._tuning.pause(*_named(request)))

    async def resume(self, request: Request) -> Response:
        identity = exchange_of(request.scope).identity
        return _shown(await self._tuning.resume(identity, request.path_params["id"]))

    async def events(self, request: Request) -> Response:
        """The newest first."""
        query, headers = self._calls.query(request, EventListQuery)
        job = await self._find(request)
        found = await self._tuning.records.events(job.id, query.limit + 1, query.after)
        return json_response(list_object([*map(event_object, found)], query.limit), headers=headers)

    async def checkpoints(self, request: Request) -> Response:
        """The newest first."""
        query, headers = self._calls.query(request, CheckpointListQuery)
        job = await self._find(request)
        found = await self._tuning.records.checkpoints(job.id, query.limit + 1, query.after)
        objects = [*map(checkpoint_object, found)]
        return json_response(list_object(objects, query.limit), headers=headers)

    async def permissions(self, request: Request) -> Response:
        """Always empty: only the project of the key that made a checkpoint may use it."""
        query, headers = self._calls.query(request, PermissionListQuery)
        await self._find_model(request)
        return json_response(list_object([], query.limit), headers=headers)

    @takes(PermissionCreateRequest)
    async def permit(self, request: Request) -> Response:
        await self._calls.body(request, PermissionCreateRequest)
        await self._find_model(request)
        raise _not_shared("project_ids")

    async def forbid(self, request: Request) -> Response:
        await self._find_model(request)
        raise _not_shared("permission_id")

    async def _find_model(self, request: Request) -> None:
        """Raises ModelNotFound unless the URL names a model that was made here."""
        name = request.path_params["model"]
        if await self._tuned.find(exchange_of(request.scope).owner, name) is None:
            raise ModelNotFound(name)

    async def _find(self, request: Request) -> JobRecord:
        return await self._tuning.records.find(*_named(request))


def _not_shared(param: str) -> Unsupported:
    return Unsupported(
        f"Unsupported parameter: '{param}' is not supported by this server: a checkpoint is for "
        "the project of the key that made it.",
        code="unsupported_parameter",
        param=param,
    )


def _named(request: Request) -> tuple[str, str]:
    """The owner and the id of the job in the URL."""
    return exchange_of(request.scope).owner, request.path_params["id"]


def _shown(job: JobRecord) -> Response:
    return json_response(job_object(job))
