"""How near texts are to a query, by embeddings, and which model embeds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request

from openedai.catalog.catalog import Model
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import Embedder
from openedai.contract.generate import Text
from openedai.engines.registry import engine_class
from openedai.errors import ModelNotFound, Unsupported
from openedai.serving.embedding import embed
from openedai.serving.services import Services

MAX_TEXTS = 200


def search_model(here: Services, name: str | None, param: str) -> Model:
    """The named model if it embeds, else the default one: text models were once named here.

    Raises ModelNotFound, or Unsupported if no model can embed.
    """
    if name is not None:
        try:
            named = here.catalog.resolve(name)
        except ModelNotFound:
            raise ModelNotFound(name, param=param) from None
        if issubclass(engine_class(named.spec.engine), Embedder):
            return named
    default = here.catalog.default_embedding
    if default is None:
        raise Unsupported(
            "This server has no model for embeddings, by which it could search.",
            code="unsupported_model",
            param=param,
        )
    return default


async def scores(
    here: Services, request: Request, model: Model, query: str, texts: Sequence[str]
) -> list[float]:
    """100 times the cosine between the query and each of the texts, none of which is empty."""
    inputs = tuple(Text(text=text) for text in (query, *texts))
    result = await embed(here, request, model, EmbedRequest(inputs=inputs))
    return await asyncio.to_thread(_percents, result)


async def best_first(
    here: Services, request: Request, model: Model, query: str, texts: Sequence[str]
) -> list[int]:
    """The positions of the texts, the nearest to the query first."""
    values = await scores(here, request, model, query, texts)
    return sorted(range(len(texts)), key=lambda index: -values[index])


def _percents(result: EmbedResult) -> list[float]:
    """The first vector against all others."""
    import numpy as np

    rows = np.frombuffer(result.data, "<f4").reshape(-1, result.dimensions).astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    lengths[lengths == 0] = 1
    cosines = (rows[1:] @ rows[0]) / (lengths[1:] * lengths[0])
    percents: list[float] = (100 * cosines).tolist()
    return percents
