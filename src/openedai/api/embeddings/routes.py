"""`POST /v1/embeddings`."""

from __future__ import annotations

import base64
import struct

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.embeddings.types import EmbeddingRequest
from openedai.api.services import services
from openedai.engines.base import Embedder, EmbedResult, Usage
from openedai.http.envelope import Exchange
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
    spec = model.spec
    wanted = replace(body.wanted(), variant=model.variant)
    exchange: Exchange = request.scope["exchange"]
    exchange.facts["model"] = model.id
    async with here.pool.lease(spec, Embedder, request.scope["caller"]) as engine:
        result = await engine.embed(wanted)
    here.metrics.used(spec.id, Usage(prompt_tokens=result.prompt_tokens))
    answer = EmbeddingList(
        data=_rows(result, as_base64=body.encoding_format == "base64"),
        model=model.id,
        usage=EmbeddingUsage(result.prompt_tokens, result.prompt_tokens),
    )
    return json_response(answer, headers=headers | here.limits(spec))


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
