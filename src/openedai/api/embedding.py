"""What all that embeds shares: running the engine."""

from __future__ import annotations

from msgspec.structs import replace
from starlette.requests import Request

from openedai.api.services import Services
from openedai.engines.base import Embedder, EmbedRequest, EmbedResult, Usage
from openedai.http.envelope import Exchange
from openedai.models.catalog import Model


async def embed(
    here: Services, request: Request, model: Model, wanted: EmbedRequest
) -> EmbedResult:
    """Embed all that is wanted under one lease, and count it."""
    exchange: Exchange = request.scope["exchange"]
    exchange.facts["model"] = model.id
    async with here.pool.lease(model.spec, Embedder, request.scope["caller"]) as engine:
        result = await engine.embed(replace(wanted, variant=model.variant))
    here.metrics.used(model.spec.id, Usage(prompt_tokens=result.prompt_tokens))
    return result
