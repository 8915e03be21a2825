"""What all kinds of embedding requests share: running the engine, and its vectors as numbers."""

from __future__ import annotations

import struct

from msgspec.structs import replace
from starlette.requests import Request

from openedai.catalog.catalog import Model
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import Embedder
from openedai.contract.generate import Usage
from openedai.http.envelope import Exchange
from openedai.serving.services import Services

_FLOAT_BYTES = 4


async def embed(
    here: Services, request: Request, model: Model, wanted: EmbedRequest
) -> EmbedResult:
    """Embed under a lease, and count it."""
    exchange: Exchange = request.scope["exchange"]
    exchange.facts["model"] = model.id
    async with here.pool.lease(model.spec, Embedder, request.scope["caller"]) as engine:
        exchange.marks["leased"] = exchange.seconds
        result = await engine.embed(replace(wanted, variant=model.variant))
    here.metrics.used(model.spec.id, Usage(prompt_tokens=result.prompt_tokens))
    return result


def rows(result: EmbedResult) -> list[bytes]:
    """The bytes of each vector: little-endian float32."""
    size = result.dimensions * _FLOAT_BYTES
    return [result.data[start : start + size] for start in range(0, len(result.data), size)]


def numbers(row: bytes) -> list[float]:
    """A vector of `rows`."""
    return list(struct.unpack(f"<{len(row) // _FLOAT_BYTES}f", row))
