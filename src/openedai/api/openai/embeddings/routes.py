"""`POST /v1/embeddings`."""

from __future__ import annotations

import base64

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.embeddings.types import EmbeddingRequest
from openedai.api.route import takes
from openedai.serving.embedding import Embedding, numbers, rows


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


class Embeddings:
    def __init__(self, calls: Calls, embedding: Embedding) -> None:
        self._calls = calls
        self._embedding = embedding

    @takes(EmbeddingRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, EmbeddingRequest)
        result = await self._embedding.run(call, call.body.to_engine_request())
        encode = _base64 if call.body.encoding_format == "base64" else numbers
        answer = EmbeddingList(
            data=[EmbeddingObject(index, encode(row)) for index, row in enumerate(rows(result))],
            model=call.model.id,
            usage=EmbeddingUsage(result.prompt_tokens, result.prompt_tokens),
        )
        return self._calls.respond(call, answer)


def _base64(row: bytes) -> str:
    return base64.b64encode(row).decode()
