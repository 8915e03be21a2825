"""The similarity of texts to a query, by embeddings, and the model that embeds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import EMBEDDING
from openedai.catalog.models import Model
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import Embedder
from openedai.contract.generate import Text
from openedai.engines.registry import capabilities_of
from openedai.errors import ModelNotFound, Unsupported
from openedai.serving.call import Call
from openedai.serving.embedding import Embedding

MAX_TEXTS = 200


class Ranking:
    def __init__(self, catalog: Catalog, embedding: Embedding) -> None:
        self._catalog = catalog
        self._embedding = embedding

    def search_model(self, name: str | None, param: str) -> Model:
        """The named model if it embeds, else the default one: clients may name a text model here.

        Raises ModelNotFound, or Unsupported if no model can embed.
        """
        if name is not None:
            try:
                named = self._catalog.resolve(name)
            except ModelNotFound:
                raise ModelNotFound(name, param=param) from None
            if Embedder in capabilities_of(named.spec.engine, named.spec.options):
                return named
        default = self._catalog.default(EMBEDDING)
        if default is None:
            raise Unsupported(
                "This server has no model for embeddings, by which it could search.",
                code="unsupported_model",
                param=param,
            )
        return default

    async def scores(self, call: Call[Any], query: str, texts: Sequence[str]) -> list[float]:
        """For each text, 100 times the cosine between it and the query, by the call's model.

        No text may be empty.
        """
        inputs = tuple(Text(text=text) for text in (query, *texts))
        result = await self._embedding.run(call, EmbedRequest(inputs=inputs))
        return await asyncio.to_thread(_percents, result)

    async def rank(
        self, call: Call[Any], model: Model, query: str, texts: Sequence[str]
    ) -> list[int]:
        """The indices of the texts, the most similar to the query first, by `model`."""
        scores = await self.scores(replace(call, model=model), query, texts)
        return sorted(range(len(texts)), key=lambda index: -scores[index])


def _percents(result: EmbedResult) -> list[float]:
    """100 times the cosine of the first vector with each of the others."""
    import numpy as np

    rows = np.frombuffer(result.data, "<f4").reshape(-1, result.dimensions).astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    lengths[lengths == 0] = 1
    cosines = (rows[1:] @ rows[0]) / (lengths[1:] * lengths[0])
    percents: list[float] = (100 * cosines).tolist()
    return percents
