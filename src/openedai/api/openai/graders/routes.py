"""`/v1/fine_tuning/alpha/graders`: grading the answers of models."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.graders.render import grade_object
from openedai.api.openai.graders.types import GraderRunRequest, GraderValidateRequest
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.embedding import Embedding
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.generation import Generation
from openedai.serving.grading.grading import Grading


class Graders:
    def __init__(
        self,
        calls: Calls,
        catalog: Catalog,
        tuned: TunedModels,
        generation: Generation,
        embedding: Embedding,
    ) -> None:
        self._calls = calls
        self._grading = Grading(catalog, tuned, generation, embedding)

    @takes(GraderRunRequest)
    async def run(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, GraderRunRequest)
        exchange = exchange_of(request.scope)
        exchange.parameter_names = body.engine_names()  # from here on, errors are those of models
        grader, began = body.to_grader(), time.perf_counter()
        grade = await self._grading.run(grader, body.model_sample, body.item, exchange)
        taken = time.perf_counter() - began
        return json_response(grade_object(grader, grade, taken), headers=headers)

    @takes(GraderValidateRequest)
    async def validate(self, request: Request) -> Response:
        """The grader as it was sent."""
        body, headers = await self._calls.body(request, GraderValidateRequest)
        exchange = exchange_of(request.scope)
        exchange.parameter_names = body.engine_names()
        await self._grading.check(exchange.identity, body.to_grader())
        shown = body.model_dump(mode="json", exclude_unset=True, by_alias=True)
        return json_response(shown, headers=headers)
