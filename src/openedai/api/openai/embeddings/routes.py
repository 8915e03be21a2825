"""`POST /v1/embeddings`."""

from __future__ import annotations

import base64

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.openai.embeddings.types import EmbeddingRequest
from openedai.http.respond import json_response
from openedai.serving.embedding import embed, numbers, rows
from openedai.serving.services import services


class EmbeddingObject(msgspec.Struct):
    index: int
    embedding: list[float] | str
    object: str = "embedding"


class EmbeddingUsage(msgspec.Struct):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(msgspec.Struct):
    data: list[EmbeddingObject]
    model: str
    usage: EmbeddingUsage
    object: str = "list"


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, EmbeddingRequest)
    model = here.catalog.resolve(body.model)
    result = await embed(here, request, model, body.wanted())
    as_base64 = body.encoding_format == "base64"
    answer = EmbeddingList(
        data=[
            EmbeddingObject(index, base64.b64encode(row).decode() if as_base64 else numbers(row))
            for index, row in enumerate(rows(result))
        ],
        model=model.id,
        usage=EmbeddingUsage(result.prompt_tokens, result.prompt_tokens),
    )
    return json_response(answer, headers=headers | here.limits(model.spec))
