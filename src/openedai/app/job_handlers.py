"""The handlers of each kind of job, with the parts that they need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from openedai.api import response_jobs
from openedai.api.assistant_routes import run_works
from openedai.api.openai.dialect import OPENAI
from openedai.engines.machine import usable_cores
from openedai.errors import ModelNotFound
from openedai.extract.text import Limits
from openedai.http.server.in_process import Perform
from openedai.jobs.handler import Handler
from openedai.serving.assistants.handler import Left, RunHandler, Work
from openedai.serving.batches.handler import BatchHandler
from openedai.serving.fine_tuning.handler import FineTuningHandler
from openedai.serving.fine_tuning.parts import TrainingParts
from openedai.serving.responses.handler import ResponseHandler, Step
from openedai.serving.services import Services
from openedai.serving.vector_stores.handler import VectorStoreHandler
from openedai.store.assistants.runs import Run
from openedai.store.batches import LineError
from openedai.store.conversations.responses import StoredResponse
from openedai.weights.library import Library

# The folder, inside the data folder, for files while their text is read.
READING = "reading"
# Endpoints whose models have no names besides those in the catalogue.
_NAMED_ONLY = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings"})


def job_handlers(services: Services, library: Library, perform: Perform) -> Sequence[Handler]:
    """The handlers of each kind of job. `perform` serves the lines of batches."""
    settings = services.settings
    parts = TrainingParts(
        store=services.store,
        records=services.tuning_records,
        files=services.files,
        pool=services.pool,
        catalog=services.catalog,
        tuned=services.tuned,
        library=library,
        downloads=services.downloads,
        folder=settings.data / "training",
        threads=max(1, usable_cores() - settings.training_spare_cores),
        dialect=OPENAI,
        ends=services.ends,
    )
    return (
        FineTuningHandler(parts),
        _batch_handler(services, perform),
        _response_handler(services),
        _run_handler(services),
        VectorStoreHandler(
            services.store,
            services.vector_stores.files,
            services.files,
            services.store_embedding,
            settings.data / READING,
            OPENAI,
            Limits(),
            services.ends,
        ),
    )


def _response_handler(services: Services) -> ResponseHandler:
    make = response_jobs(services)

    async def generate(
        response: StoredResponse, job: Any, private: Any
    ) -> AsyncGenerator[Step, None]:
        jobs = await asyncio.to_thread(make)
        async with aclosing(jobs.generate(response, job, private)) as steps:
            async for step in steps:
                yield step

    return ResponseHandler(services.keeping, generate)


def _run_handler(services: Services) -> RunHandler:
    make = run_works(services)

    async def begin(run: Run, left: Left) -> Work:
        work: Work = (await asyncio.to_thread(make)).begin(run, left)
        return work

    return RunHandler(services.assistants, begin)


def _batch_handler(services: Services, perform: Perform) -> BatchHandler:
    catalog = services.catalog

    def check_model(endpoint: str, name: str) -> LineError | None:
        try:
            if endpoint in _NAMED_ONLY and not name.startswith("ft:"):
                catalog.resolve(name)
        except ModelNotFound as error:
            return LineError("model_not_found", error.message, "body.model")
        return None

    def slots(name: str | None) -> int:
        try:
            return 0 if name is None else services.pool.slots(catalog.resolve(name).spec)
        except ModelNotFound:
            return 0

    return BatchHandler(
        services.batches.records,
        services.files,
        services.store.contents,
        perform,
        check_model=check_model,
        slots=slots,
        max_body_bytes=services.settings.max_body_bytes,
    )
