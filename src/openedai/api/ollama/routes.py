"""Ollama's `/api/chat`, `/api/generate`, `/api/embed` and `/api/embeddings`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.ollama.render import OllamaRenderer, Shape, nanoseconds
from openedai.api.ollama.types import ChatBody, EmbedBody, EmbeddingsBody, GenerateBody, ModelUse
from openedai.api.ollama.values import find_model
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.catalog.models import Model
from openedai.contract.embed import EmbedRequest
from openedai.contract.generate import Finish
from openedai.http.respond import json_response
from openedai.security.permissions import SERVER, require
from openedai.serving.call import Call
from openedai.serving.embedding import Embedding, numbers, rows
from openedai.serving.generation import Generation
from openedai.serving.images.loading import ImageLoading
from openedai.serving.models.loading import Loading
from openedai.serving.outcome import Indexed

B = TypeVar("B", bound=ModelUse)


class EmbedResponse(msgspec.Struct):
    """Durations are in nanoseconds."""

    model: str
    embeddings: list[list[float]]
    total_duration: int
    load_duration: int
    prompt_eval_count: int


class EmbeddingsResponse(msgspec.Struct):
    embedding: list[float]


class OllamaGenerations:
    def __init__(
        self,
        calls: Calls,
        catalog: Catalog,
        image_loading: ImageLoading,
        generation: Generation,
        loading: Loading,
    ) -> None:
        self._calls = calls
        self._catalog = catalog
        self._image_loading = image_loading
        self._generation = generation
        self._loading = loading

    @takes(ChatBody)
    async def chat(self, request: Request) -> Response:
        call = await self._calls.read(request, ChatBody, self._model)
        return await self._answer(call, "chat")

    @takes(GenerateBody)
    async def generate(self, request: Request) -> Response:
        call = await self._calls.read(request, GenerateBody, self._model)
        return await self._answer(call, "generate")

    async def _answer(self, call: Call[ChatBody | GenerateBody], shape: Shape) -> Response:
        body = call.body
        _check_unloading(call)
        renderer = OllamaRenderer(call.model.id, shape, call.exchange)
        if body.empty:
            return await self._answer_empty(call, renderer)
        images = await self._image_loading.load(call, body.image_refs())
        events = self._generation.run(call, [body.to_engine_request(images)])
        if body.unloads:
            events = self._unloading(call, events)
        return await self._calls.answer(call, events, renderer, stream=body.stream is not False)

    async def _unloading(
        self, call: Call[Any], events: AsyncGenerator[Indexed, None]
    ) -> AsyncGenerator[Indexed, None]:
        """The events; the last one comes after the model is unloaded, unless others use it."""
        last: list[Indexed] = []
        async with aclosing(events):
            async for pair in events:
                if isinstance(pair[1], Finish):
                    last.append(pair)
                else:
                    yield pair
        await self._loading.unload_if_idle(call.spec)
        for pair in last:
            yield pair

    async def _answer_empty(
        self, call: Call[ChatBody | GenerateBody], renderer: OllamaRenderer
    ) -> Response:
        """Load or unload the model, for a body without a prompt."""
        await _load_or_unload(self._loading, call)
        line = renderer.line()
        line.done, line.done_reason = True, "unload" if call.body.unloads else "load"
        return json_response(line, headers=call.headers)

    def _model(self, body: ModelUse) -> Model:
        return find_model(self._catalog, body.model)


class OllamaEmbeddings:
    def __init__(
        self, calls: Calls, catalog: Catalog, embedding: Embedding, loading: Loading
    ) -> None:
        self._calls = calls
        self._catalog = catalog
        self._embedding = embedding
        self._loading = loading

    @takes(EmbedBody)
    async def embed_texts(self, request: Request) -> Response:
        call = await self._calls.read(request, EmbedBody, self._model)
        vectors, tokens = await self._embed(call, call.body.to_engine_request())
        total = call.exchange.seconds
        leased = total if call.exchange.leased_at is None else call.exchange.leased_at
        answer = EmbedResponse(
            call.model.id, vectors, nanoseconds(total), nanoseconds(leased), tokens
        )
        return self._calls.respond(call, answer)

    @takes(EmbeddingsBody)
    async def embed_prompt(self, request: Request) -> Response:
        call = await self._calls.read(request, EmbeddingsBody, self._model)
        vectors, _ = await self._embed(call, call.body.to_engine_request())
        return self._calls.respond(call, EmbeddingsResponse(vectors[0] if vectors else []))

    async def _embed(
        self, call: Call[EmbedBody | EmbeddingsBody], request: EmbedRequest
    ) -> tuple[list[list[float]], int]:
        """The vectors, and the number of tokens in all inputs; without inputs the model is only
        loaded.
        """
        _check_unloading(call)
        if not request.inputs:
            await _load_or_unload(self._loading, call)
            return [], 0
        result = await self._embedding.run(call, request)
        if call.body.unloads:
            await self._loading.unload_if_idle(call.spec)
        return [numbers(row) for row in rows(result)], result.prompt_tokens

    def _model(self, body: ModelUse) -> Model:
        return find_model(self._catalog, body.model)


async def _load_or_unload(loading: Loading, call: Call[ModelUse]) -> None:
    await (loading.unload(call.spec) if call.body.unloads else loading.load(call.spec))


def _check_unloading(call: Call[ModelUse]) -> None:
    """Raise Forbidden for a key that may not have models unloaded."""
    if call.body.unloads:
        require(call.exchange.identity, SERVER)
