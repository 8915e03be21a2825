"""Ollama's `/api/chat`, `/api/generate`, `/api/embed` and `/api/embeddings`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.answer import answer
from openedai.api.ollama.render import OllamaRenderer, Shape, nanoseconds
from openedai.api.ollama.types import ChatBody, EmbedBody, EmbeddingsBody, GenerateBody, ModelUse
from openedai.api.ollama.values import find
from openedai.catalog.catalog import Model
from openedai.contract.embed import EmbedRequest
from openedai.errors import InvalidRequest
from openedai.http.dialects import OLLAMA
from openedai.http.envelope import Exchange
from openedai.http.respond import json_response
from openedai.serving.embedding import embed, numbers, rows
from openedai.serving.images import illustrated
from openedai.serving.loading import unload
from openedai.serving.services import Services, services

# What engines call parameters that Ollama has under another name.
_NAMES = {"reasoning_effort": "think", "response_format": "format"}


class Embeddings(msgspec.Struct):
    """Durations are in nanoseconds."""

    model: str
    embeddings: list[list[float]]
    total_duration: int
    load_duration: int
    prompt_eval_count: int


class Embedding(msgspec.Struct):
    embedding: list[float]


async def chat(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, ChatBody)
    return await _generation(here, request, body, headers, "chat")


async def generate(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, GenerateBody)
    return await _generation(here, request, body, headers, "generate")


async def _generation(
    here: Services,
    request: Request,
    body: ChatBody | GenerateBody,
    headers: dict[str, str],
    shape: Shape,
) -> Response:
    body.check()
    model = find(here.catalog, body.model)
    renderer = OllamaRenderer(
        model.id, shape, request.scope["exchange"], _afterwards(here, model, body)
    )
    if body.empty:
        return await _moved(here, model, body, headers, renderer)
    try:
        wanted = await illustrated(here, model.spec, [body.wanted()], body.pictures())
        return await answer(
            here,
            request,
            model,
            wanted,
            renderer,
            stream=body.stream is not False,
            headers=headers,
            dialect=OLLAMA,
        )
    except InvalidRequest as error:
        raise _renamed(error) from error


def _renamed(error: InvalidRequest) -> InvalidRequest:
    """The same error about the parameter that the client knows."""
    if error.param in _NAMES:
        name = _NAMES[error.param]
        error.message = error.message.replace(f"'{error.param}'", f"'{name}'")
        error.param = name
    return error


def _afterwards(here: Services, model: Model, body: ModelUse) -> Callable[[], Awaitable[None]]:
    async def leave() -> None:
        if body.leaves:
            await here.pool.unload(model.spec.id)

    return leave


async def _moved(
    here: Services,
    model: Model,
    body: ChatBody | GenerateBody,
    headers: dict[str, str],
    renderer: OllamaRenderer,
) -> Response:
    """Nothing was asked: load the model, or unload it."""
    if body.leaves:
        await unload(here, model.spec)
    else:
        await here.pool.preload(model.spec)
    line = renderer.line()
    line.done, line.done_reason = True, "unload" if body.leaves else "load"
    return json_response(line, headers=headers)


async def embed_texts(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, EmbedBody)
    vectors, model, tokens = await _embedded(here, request, body, body.wanted())
    exchange: Exchange = request.scope["exchange"]
    total = exchange.seconds
    loaded = exchange.marks.get("leased", total)
    result = Embeddings(model.id, vectors, nanoseconds(total), nanoseconds(loaded), tokens)
    return json_response(result, headers=headers | here.limits(model.spec))


async def embed_prompt(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, EmbeddingsBody)
    vectors, model, _ = await _embedded(here, request, body, body.wanted())
    result = Embedding(vectors[0] if vectors else [])
    return json_response(result, headers=headers | here.limits(model.spec))


async def _embedded(
    here: Services, request: Request, body: EmbedBody | EmbeddingsBody, wanted: EmbedRequest
) -> tuple[list[list[float]], Model, int]:
    """The vectors, and the tokens of all inputs; without inputs the model is only loaded."""
    model = find(here.catalog, body.model)
    if not wanted.inputs:
        await (unload(here, model.spec) if body.leaves else here.pool.preload(model.spec))
        return [], model, 0
    result = await embed(here, request, model, wanted)
    await _afterwards(here, model, body)()
    return [numbers(row) for row in rows(result)], model, result.prompt_tokens
