"""`POST /v1/chat/completions`."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.chat.render import ChatCompletionRenderer
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.parameters.ids import fingerprint, new_id
from openedai.api.route import Route
from openedai.serving.call import Call
from openedai.serving.generation import Generation
from openedai.serving.images import ImageLoading


class ChatCompletions:
    def __init__(self, calls: Calls, image_loading: ImageLoading, generation: Generation) -> None:
        self._calls = calls
        self._image_loading = image_loading
        self._generation = generation

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                "POST",
                "/v1/chat/completions",
                self.create,
                "Chat",
                ChatCompletionRequest,
                in_engines=True,
                on_azure=True,
            ),
        )

    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, ChatCompletionRequest)
        images = await self._image_loading.load(call, call.body.image_refs())
        requests = call.body.to_engine_requests(images)
        events = self._generation.run(call, requests)
        renderer = _renderer(call, choices=len(requests))
        return await self._calls.answer(call, events, renderer, stream=bool(call.body.stream))


def _renderer(call: Call[ChatCompletionRequest], *, choices: int) -> ChatCompletionRenderer:
    return ChatCompletionRenderer(
        id=new_id("chatcmpl-"),
        created=int(time.time()),
        model=call.model.id,
        fingerprint=fingerprint(call.model),
        choices=choices,
        logprobs=bool(call.body.logprobs),
        old_functions=call.body.old_functions,
        options=call.body.options,
    )
