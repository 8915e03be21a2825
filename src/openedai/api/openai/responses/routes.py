"""`/v1/responses`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.responses.history import NoHistory
from openedai.api.openai.responses.moderated import ResponseModerator
from openedai.api.openai.responses.prepare import Preparation, Prepared
from openedai.api.openai.responses.render import ResponseRenderer
from openedai.api.openai.responses.truncation import run_truncated
from openedai.api.openai.responses.types import InputTokensRequest, ResponseRequest
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.contract.engine import Tokenizer
from openedai.serving.audio.hearing import Hearing
from openedai.serving.call import Call
from openedai.serving.generation import Generation
from openedai.serving.images.loading import ImageLoading
from openedai.serving.leases import Leases
from openedai.serving.moderation import Moderation
from openedai.serving.outcome import Indexed


class InputTokens(msgspec.Struct):
    input_tokens: int
    object: str = "response.input_tokens"


class Responses:
    def __init__(
        self,
        calls: Calls,
        catalog: Catalog,
        leases: Leases,
        image_loading: ImageLoading,
        hearing: Hearing,
        generation: Generation,
        moderation: Moderation,
        refuses_tools: bool,
    ) -> None:
        self._calls = calls
        self._leases = leases
        self._generation = generation
        self._moderator = ResponseModerator(catalog, moderation)
        self._preparation = Preparation(
            image_loading, hearing, NoHistory(), refuses_tools=refuses_tools
        )

    @takes(ResponseRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, ResponseRequest)
        prepared = await self._preparation.prepare(call)
        renderer = self._renderer(call, prepared)
        events = self._events(call, prepared)
        return await self._calls.answer(call, events, renderer, stream=bool(call.body.stream))

    @takes(InputTokensRequest)
    async def count(self, request: Request) -> Response:
        call = await self._calls.read(request, InputTokensRequest)
        chat = await self._preparation.chat(call)
        async with self._leases.lease(call, Tokenizer) as engine:
            tokens = await engine.count(chat)
        return self._calls.respond(call, InputTokens(tokens))

    def _renderer(self, call: Call[ResponseRequest], prepared: Prepared) -> ResponseRenderer:
        moderate = self._moderator.of(call, prepared.chat)
        return ResponseRenderer(prepared.builder, moderate)

    def _events(self, call: Call[Any], prepared: Prepared) -> AsyncGenerator[Indexed, None]:
        if call.body.truncation == "auto":
            return run_truncated(self._generation, call, prepared.request)
        return self._generation.run(call, [prepared.request])
