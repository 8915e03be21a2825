"""`/v1/fine-tunes`, as openai 0.25 to 0.28 call it: the fine-tuning jobs in their older shape."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.fine_tuning.render import ORGANISATION
from openedai.api.openai.fine_tuning.types import MAX_SEED, SUFFIX
from openedai.api.parameters.files import FileObject
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import CHAT
from openedai.errors import NotFound, missing_parameter
from openedai.http.body import AllowedOnly, Body, Refused
from openedai.http.exchange import exchange_of
from openedai.http.respond import EventStream, data_frame, first_frame, json_response
from openedai.serving.fine_tuning.jobs import FineTuning, NewJob
from openedai.store.files import Files
from openedai.store.fine_tuning import EventRecord, JobRecord

_STATUSES = {"validating_files": "pending", "queued": "pending", "paused": "pending"}
_MOST_EVENTS = 100_000
_POLL_SECONDS = 0.5


class FineTuneCreateRequest(Body):
    """`prompt_loss_weight` and what classifiers need are not supported."""

    training_file: Annotated[str, Field(min_length=1, max_length=128)]
    validation_file: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    model: str | None = None
    n_epochs: Annotated[int, Field(ge=1, le=50)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=256)] | None = None
    learning_rate_multiplier: Annotated[float, Field(gt=0, le=100)] | None = None
    suffix: str | None = SUFFIX
    prompt_loss_weight: Annotated[Any, AllowedOnly((0,))] = None
    compute_classification_metrics: Annotated[Any, AllowedOnly((False,))] = None
    classification_n_classes: Refused = None
    classification_positive_class: Refused = None
    classification_betas: Refused = None

    def given(self) -> dict[str, Any]:
        names = ("n_epochs", "batch_size", "learning_rate_multiplier")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class FineTunes:
    def __init__(
        self,
        calls: Calls,
        tuning: FineTuning,
        files: Files,
        catalog: Catalog,
    ) -> None:
        self._calls = calls
        self._files = files
        self._catalog = catalog
        self._tuning = tuning

    @takes(FineTuneCreateRequest)
    async def create(self, request: Request) -> Response:
        """Without `model` the default chat model is trained."""
        body, headers = await self._calls.body(request, FineTuneCreateRequest)
        default = self._catalog.default(CHAT)
        model = body.model or (None if default is None else default.id)
        if model is None:
            raise missing_parameter("model")
        new = NewJob(
            model=model,
            training_file=body.training_file,
            validation_file=body.validation_file,
            method="supervised",
            given=body.given(),
            seed=secrets.randbelow(MAX_SEED),
            suffix=body.suffix,
        )
        job = await self._tuning.create(new, exchange_of(request.scope).identity)
        return json_response(await self._object(job, events=True), headers=headers)

    async def list_jobs(self, request: Request) -> Response:
        """All jobs of the last hundred, the newest first."""
        jobs = await self._tuning.records.page(exchange_of(request.scope).owner, 100, None)
        data = [await self._object(job) for job in jobs]
        return json_response({"object": "list", "data": data})

    async def retrieve(self, request: Request) -> Response:
        job = await self._tuning.records.find(*_named(request))
        return json_response(await self._object(job, events=True))

    async def cancel(self, request: Request) -> Response:
        job = await self._tuning.cancel(*_named(request))
        return json_response(await self._object(job, events=True))

    async def events(self, request: Request) -> Response:
        """With `stream=true` as they happen, up to the end of the job."""
        owner, id = _named(request)
        await self._tuning.records.find(owner, id)
        if request.query_params.get("stream") in ("true", "True"):
            frames = self._frames(owner, id)
            return EventStream(exchange_of(request.scope), await first_frame(frames), frames)
        found = await self._tuning.records.events(id, _MOST_EVENTS, newest_first=False)
        return json_response({"object": "list", "data": [*map(_event, found)]})

    async def _frames(self, owner: str, id: str) -> AsyncGenerator[bytes, None]:
        last = None
        while True:
            job = await self._tuning.records.find(owner, id)
            found = await self._tuning.records.events(id, _MOST_EVENTS, last, newest_first=False)
            for event in found:
                yield data_frame(_event(event))
                last = event.id
            if not job.open:
                yield b"data: [DONE]\n\n"
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _object(self, job: JobRecord, *, events: bool = False) -> dict[str, Any]:
        names = ("batch_size", "learning_rate_multiplier", "n_epochs")
        values = {name: job.values.get(name, job.given.get(name)) for name in names}
        shown: dict[str, Any] = {}
        if events:
            records = self._tuning.records
            found = await records.events(job.id, _MOST_EVENTS, newest_first=False)
            shown = {"events": [*map(_event, found)]}
        return {
            "id": job.id,
            "object": "fine-tune",
            "model": job.model,
            "created_at": int(job.created_at),
            "updated_at": int(job.finished_at or job.created_at),
            "fine_tuned_model": job.fine_tuned_model,
            "hyperparams": {**values, "prompt_loss_weight": 0.0},
            "organization_id": ORGANISATION,
            "status": _STATUSES.get(job.status, job.status),
            "training_files": await self._shown(job.owner, [job.training_file]),
            "validation_files": await self._shown(job.owner, [job.validation_file]),
            "result_files": await self._shown(job.owner, job.result_files),
            **shown,
        }

    async def _shown(self, owner: str, ids: list[str | None] | list[str]) -> list[FileObject]:
        """The files among these that still exist."""
        found = []
        for id in ids:
            try:
                if id is not None:
                    found.append(FileObject.of(await self._files.find(owner, id)))
            except NotFound:
                continue
        return found


def _named(request: Request) -> tuple[str, str]:
    """The owner and the id of the job in the URL."""
    return exchange_of(request.scope).owner, request.path_params["id"]


def _event(event: EventRecord) -> dict[str, Any]:
    return {
        "object": "fine-tune-event",
        "created_at": int(event.created_at),
        "level": event.level,
        "message": event.message,
    }
