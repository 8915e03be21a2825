"""`POST /v1/messages` and `POST /v1/messages/count_tokens`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.answer import answer
from openedai.api.anthropic.conversation import image_blocks
from openedai.api.anthropic.names import renamed
from openedai.api.anthropic.pictures import load_pictures
from openedai.api.anthropic.render import MessageRenderer
from openedai.api.anthropic.types import CountTokensRequest, MessagesRequest
from openedai.api.anthropic.wire import TokenCount
from openedai.api.parameters.ids import new_id
from openedai.contract.engine import Tokenizer
from openedai.http.dialects import ANTHROPIC
from openedai.http.envelope import Exchange
from openedai.http.respond import json_response
from openedai.serving.services import services


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, MessagesRequest)
    body.check()
    model = here.catalog.resolve(body.model)
    pictures = await load_pictures(here, model.spec, image_blocks(body.messages))
    wanted = body.wanted(pictures)
    renderer = MessageRenderer(
        id=new_id("msg_", 24),
        model=model.id,
        max_tokens=body.max_tokens,
        shows_thinking=body.shows_thinking,
    )
    return await answer(
        here,
        request,
        model,
        [wanted],
        renderer,
        stream=bool(body.stream),
        headers=headers,
        dialect=ANTHROPIC,
    )


async def count_tokens(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, CountTokensRequest)
    body.check()
    model = here.catalog.resolve(body.model)
    chat = body.chat(await load_pictures(here, model.spec, image_blocks(body.messages)))
    exchange: Exchange = request.scope["exchange"]
    exchange.facts["model"] = model.id
    caller: str = request.scope["caller"]
    async with here.pool.lease(model.spec, Tokenizer, caller) as engine:
        with renamed():
            count = await engine.count(chat)
    return json_response(TokenCount(count), headers={**headers, **here.limits(model.spec)})
