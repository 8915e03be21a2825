"""`POST /v1/chat/completions`."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.answer import answer
from openedai.api.openai.chat.render import ChatCompletionRenderer
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.parameters.ids import fingerprint, new_id
from openedai.serving.images import illustrated
from openedai.serving.services import services


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, ChatCompletionRequest)
    body.check()
    model = here.catalog.resolve(body.model)
    wanted = await illustrated(here, model.spec, body.wanted(), body.pictures())
    renderer = ChatCompletionRenderer(
        id=new_id("chatcmpl-"),
        created=int(time.time()),
        model=model.id,
        fingerprint=fingerprint(model),
        choices=len(wanted),
        logprobs=bool(body.logprobs),
        old_functions=body.old_functions,
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
