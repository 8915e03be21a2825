"""`POST /v1/chat/completions`."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.chat.render import Answer
from openedai.api.chat.types import ChatCompletionRequest
from openedai.api.ids import fingerprint, new_id
from openedai.api.services import services
from openedai.http.respond import json_response, stream


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, ChatCompletionRequest)
    body.check()
    spec = here.catalog.resolve(body.model)
    wanted = body.wanted()
    answer = Answer(
        id=new_id("chatcmpl-"),
        created=int(time.time()),
        model=spec.id,
        fingerprint=fingerprint(spec),
        choices=len(wanted),
    )
    events = here.generate(request, spec, wanted)
    headers |= here.limits(spec)
    if body.stream:
        return await stream(answer.chunks(events, with_usage=body.wants_usage), headers)
    return json_response(await answer.whole(events), headers=headers)
