"""`POST /v1/completions`."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.completions.render import Answer
from openedai.api.completions.types import CompletionRequest
from openedai.api.ids import fingerprint, new_id
from openedai.api.services import services
from openedai.http.respond import EventStream, first_frame, json_response


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, CompletionRequest)
    body.check()
    spec = here.catalog.resolve(body.model)
    wanted = body.wanted()
    answer = Answer(
        id=new_id("cmpl-"),
        created=int(time.time()),
        model=spec.id,
        fingerprint=fingerprint(spec),
        choices=body.choices,
        total=len(wanted),
    )
    events = here.generate(request, spec, wanted)
    if body.stream:
        frames = answer.chunks(events, with_usage=body.wants_usage)
        first = await first_frame(frames)
        return EventStream(first, frames, headers | here.limits(spec))
    whole = await answer.whole(events)
    return json_response(whole, headers=headers | here.limits(spec))
