"""`POST /v1/embeddings`."""

from __future__ import annotations

import base64
import struct

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.embedding import embed
from openedai.api.embeddings.types import EmbeddingRequest
from openedai.api.services import services
from openedai.engines.base import EmbedResult
from openedai.http.respond import json_response

_FLOAT_BYTES = 4


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
    answer = EmbeddingList(
        data=_rows(result, as_base64=body.encoding_format == "base64"),
        model=model.id,
        usage=EmbeddingUsage(result.prompt_tokens, result.prompt_tokens),
    )
    return json_response(answer, headers=headers | here.limits(model.spec))


def _rows(result: EmbedResult, *, as_base64: bool) -> list[EmbeddingObject]:
    """One object for each vector: little-endian float32 in base64, or plain numbers."""
    size = result.dimensions * _FLOAT_BYTES
    rows = (result.data[start : start + size] for start in range(0, len(result.data), size))
    return [
        EmbeddingObject(
            index,
            base64.b64encode(row).decode()
            if as_base64
            else list(struct.unpack(f"<{result.dimensions}f", row)),
        )
        for index, row in enumerate(rows)
    ]
