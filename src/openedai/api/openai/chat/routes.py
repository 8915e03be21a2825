"""`POST /v1/chat/completions`."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls, Renderer
from openedai.api.openai.chat.messages import Media
from openedai.api.openai.chat.render import ChatCompletionRenderer
from openedai.api.openai.chat.spoken import SpokenRenderer
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.parameters.ids import fingerprint, new_id
from openedai.api.route import takes
from openedai.serving.audio.hearing import Hearing
from openedai.serving.audio.speaking import Speaking
from openedai.serving.call import Call
from openedai.serving.generation import Generation
from openedai.serving.images.loading import ImageLoading


class ChatCompletions:
    def __init__(
        self,
        calls: Calls,
        image_loading: ImageLoading,
        hearing: Hearing,
        generation: Generation,
        speaking: Speaking,
    ) -> None:
        self._calls = calls
        self._image_loading = image_loading
        self._hearing = hearing
        self._generation = generation
        self._speaking = speaking

    @takes(ChatCompletionRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, ChatCompletionRequest)
        renderer = await self._spoken(call, _renderer(call, choices=call.body.n or 1))
        media = Media(
            await self._image_loading.load(call, call.body.image_refs()),
            await self._hearing.transcripts(call, call.body.sound_refs()),
        )
        requests = call.body.to_engine_requests(media)
        events = self._generation.run(call, requests)
        return await self._calls.answer(call, events, renderer, stream=bool(call.body.stream))

    async def _spoken(
        self, call: Call[ChatCompletionRequest], renderer: ChatCompletionRenderer
    ) -> Renderer[Any]:
        """The renderer, in the voice that the body asks for, if any."""
        audio = call.body.audio
        if audio is None:
            return renderer
        voice = await self._speaking.voice(call, audio.voice_name, audio.engine_format)
        return SpokenRenderer(renderer, voice)


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
