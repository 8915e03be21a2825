"""`POST /v1/messages` and `POST /v1/messages/count_tokens`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.anthropic.render import MessageRenderer
from openedai.api.anthropic.types import CountTokensRequest, MessagesRequest
from openedai.api.anthropic.wire import TokenCount
from openedai.api.calls import Calls
from openedai.api.parameters.ids import new_id
from openedai.api.route import takes
from openedai.contract.engine import Tokenizer
from openedai.serving.generation import Generation
from openedai.serving.images.loading import ImageLoading
from openedai.serving.leases import Leases


class Messages:
    def __init__(
        self, calls: Calls, image_loading: ImageLoading, generation: Generation, leases: Leases
    ) -> None:
        self._calls = calls
        self._image_loading = image_loading
        self._generation = generation
        self._leases = leases

    @takes(MessagesRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, MessagesRequest)
        body = call.body
        images = await self._image_loading.load(call, body.image_refs())
        events = self._generation.run(call, [body.to_engine_request(images)])
        renderer = MessageRenderer(
            id=new_id("msg_", 24),
            model=call.model.id,
            max_tokens=body.max_tokens,
            shows_thinking=body.shows_thinking,
        )
        return await self._calls.answer(call, events, renderer, stream=bool(body.stream))

    @takes(CountTokensRequest)
    async def count_tokens(self, request: Request) -> Response:
        call = await self._calls.read(request, CountTokensRequest)
        chat = call.body.chat(await self._image_loading.load(call, call.body.image_refs()))
        async with self._leases.lease(call, Tokenizer) as engine:
            count = await engine.count(chat)
        return self._calls.respond(call, TokenCount(count))
