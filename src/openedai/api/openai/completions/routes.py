"""`POST /v1/completions`, which some clients know as `/v1/text_completion`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.completions.render import completion_renderer
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.route import takes
from openedai.serving.generation import Generation


class Completions:
    def __init__(self, calls: Calls, generation: Generation) -> None:
        self._calls = calls
        self._generation = generation

    @takes(CompletionRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, CompletionRequest)
        events = self._generation.run(call, call.body.to_engine_requests())
        renderer = completion_renderer(call.body, call.model)
        return await self._calls.answer(call, events, renderer, stream=bool(call.body.stream))
