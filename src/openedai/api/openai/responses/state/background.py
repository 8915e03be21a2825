"""Responses in the background: a request begins them, and a job makes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from openedai.api.openai.dialect import OPENAI
from openedai.api.openai.responses.output.events import Completed, Event, Failed, Incomplete
from openedai.api.openai.responses.output.objects import OutputItem
from openedai.api.openai.responses.prepare import Prepared
from openedai.api.openai.responses.routes import Responses
from openedai.api.openai.responses.state.jobs import identity_of, with_credentials
from openedai.api.openai.responses.state.storing import split_response
from openedai.api.openai.responses.types import ResponseRequest
from openedai.catalog.catalog import Catalog
from openedai.http.exchange import Exchange
from openedai.serving.call import Call
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.responses.handler import Step
from openedai.serving.usage.ends import Ends
from openedai.store.conversations.responses import Status, StoredResponse


class ResponseJobs:
    """Makes the responses of jobs, with the same parts that make the responses of requests."""

    def __init__(
        self, catalog: Catalog, tuned: TunedModels, responses: Responses, ends: Ends
    ) -> None:
        self._catalog = catalog
        self._tuned = tuned
        self._responses = responses
        self._ends = ends

    async def generate(
        self, stored: StoredResponse, job: Any, private: Any
    ) -> AsyncGenerator[Step, None]:
        """The events of the response. Raises what fails before the first event."""
        body = ResponseRequest.model_validate(with_credentials(job["body"], private))
        body.extra.update(job["extra"])
        await self._tuned.prepare(stored.owner, body.model)
        model = self._catalog.resolve(body.model)
        identity = identity_of(job, stored.owner)
        exchange = Exchange(
            *(stored.id, "POST", "/v1/responses", OPENAI),
            caller=job["caller"],
            identity=identity,
            origin="response",
            model=model.id,
        )
        exchange.parameter_names = body.engine_names()
        with self._ends.attempt(exchange):
            call = Call(body, model, exchange)
            prepared = await self._responses.prepared(call)
            _as_stored(prepared, stored)
            async with aclosing(self._responses.events(call, prepared)) as events:
                async for event in events:
                    if isinstance(event, Failed):
                        exchange.status = 500
                    yield _step(event, prepared.builder.kept_items)


def _as_stored(prepared: Prepared, stored: StoredResponse) -> None:
    builder = prepared.builder
    builder.response = replace(
        builder.response, id=stored.id, created_at=int(stored.created_at), background=True
    )


def _step(event: Event, kept: Sequence[OutputItem]) -> Step:
    json = msgspec.json.encode(event)
    if not isinstance(event, Completed | Incomplete | Failed):
        return Step(event.sequence_number, json)
    text, output = split_response(event.response, kept)
    status = cast("Status", event.response.status)
    return Step(event.sequence_number, json, status, text, output)
