"""`POST /v1/chat/completions`."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls, Renderer
from openedai.api.openai.chat.messages import Media
from openedai.api.openai.chat.moderated import ModeratedRenderer
from openedai.api.openai.chat.render import ChatCompletionRenderer
from openedai.api.openai.chat.spoken import SpokenRenderer
from openedai.api.openai.chat.storing import StoringRenderer
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.parameters.ids import fingerprint, new_id
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.errors import ModelNotFound
from openedai.serving.audio.hearing import Hearing
from openedai.serving.audio.speaking import Speaking
from openedai.serving.call import Call
from openedai.serving.files.loading import FileLoading
from openedai.serving.generation import Generation
from openedai.serving.images.loading import ImageLoading
from openedai.serving.moderation import Moderation
from openedai.store.conversations.chats import PREFIX, StoredChats
from openedai.store.ids import ordered_id


class ChatCompletions:
    def __init__(
        self,
        calls: Calls,
        catalog: Catalog,
        file_loading: FileLoading,
        image_loading: ImageLoading,
        hearing: Hearing,
        generation: Generation,
        speaking: Speaking,
        moderation: Moderation,
        stored: StoredChats,
    ) -> None:
        self._calls = calls
        self._catalog = catalog
        self._file_loading = file_loading
        self._image_loading = image_loading
        self._hearing = hearing
        self._generation = generation
        self._speaking = speaking
        self._moderation = moderation
        self._stored = stored

    @takes(ChatCompletionRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, ChatCompletionRequest)
        plain = _renderer(call, choices=call.body.n or 1)
        moderation_call = self._moderation_call(call)
        renderer = await self._spoken(call, plain)
        files = await self._file_loading.load(call.exchange.owner, call.body.file_refs())
        images = [*call.body.image_refs(), *files.images]
        media = Media(
            await self._image_loading.load(call, images),
            await self._hearing.transcripts(call, call.body.sound_refs()),
            files.texts,
        )
        requests = call.body.to_engine_requests(media)
        if moderation_call is not None:
            conversation = call.body.conversation(media)
            renderer = ModeratedRenderer(
                renderer, plain, self._moderation, moderation_call, conversation
            )
        if call.body.store:
            renderer = StoringRenderer(renderer, plain, self._stored, call)
        events = self._generation.run(call, requests)
        return await self._calls.answer(call, events, renderer, stream=bool(call.body.stream))

    def _moderation_call(self, call: Call[ChatCompletionRequest]) -> Call[Any] | None:
        """A call to the model of the parameter `moderation`, if it is set."""
        if (options := call.body.moderation) is None:
            return None
        try:
            return call.within(self._catalog.resolve_for(call.exchange.identity, options.model))
        except ModelNotFound:
            raise ModelNotFound(options.model, param="moderation.model") from None

    async def _spoken(
        self, call: Call[ChatCompletionRequest], renderer: ChatCompletionRenderer
    ) -> Renderer[Any]:
        """The renderer, which speaks in the voice that the body asks for, if any."""
        audio = call.body.audio
        if audio is None:
            return renderer
        voice = await self._speaking.voice(call, audio.voice_name, audio.engine_format)
        return SpokenRenderer(renderer, voice)


def _renderer(call: Call[ChatCompletionRequest], *, choices: int) -> ChatCompletionRenderer:
    return ChatCompletionRenderer(
        id=ordered_id(PREFIX) if call.body.store else new_id(PREFIX),
        created=int(time.time()),
        model=call.model.id,
        fingerprint=fingerprint(call.model),
        choices=choices,
        logprobs=bool(call.body.logprobs),
        old_functions=call.body.old_functions,
        custom_names=call.body.custom_names,
        options=call.body.options,
    )
