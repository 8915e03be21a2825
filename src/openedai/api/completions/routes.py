"""`POST /v1/completions`."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.completions.render import CompletionRenderer
from openedai.api.completions.types import CompletionRequest
from openedai.api.generation import answer
from openedai.api.ids import fingerprint, new_id
from openedai.api.services import services


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, CompletionRequest)
    body.check()
    model = here.catalog.resolve(body.model)
    wanted = body.wanted()
    renderer = CompletionRenderer(
        id=new_id("cmpl-"),
        created=int(time.time()),
        model=model.id,
        fingerprint=fingerprint(model),
        prompts=len(wanted) // body.candidates,
        candidates=body.candidates,
        choices=body.choices,
        logprobs=body.logprobs,
        options=body.options,
    )
    return await answer(
        here,
        request,
        model,
        wanted,
        renderer,
        stream=bool(body.stream),
        headers=headers,
    )
