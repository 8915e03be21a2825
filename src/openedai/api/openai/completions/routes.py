"""`POST /v1/completions`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.answer import answer
from openedai.api.openai.completions.render import completion_renderer
from openedai.api.openai.completions.types import CompletionRequest
from openedai.serving.services import services


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, CompletionRequest)
    body.check()
    model = here.catalog.resolve(body.model)
    return await answer(
        here,
        request,
        model,
        body.wanted(),
        completion_renderer(body, model),
        stream=bool(body.stream),
        headers=headers,
    )
