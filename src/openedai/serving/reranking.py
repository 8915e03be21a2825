"""Reranking: computes the relevance of a call's documents to their queries.

A model that embeds texts but is not a reranker can rerank too, by the similarity of vectors.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from msgspec.structs import replace

from openedai.catalog.models import Model
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.engine import Embedder, Reranker
from openedai.contract.generate import Text, Usage
from openedai.contract.rerank import RerankRequest
from openedai.engines.registry import capabilities_of
from openedai.errors import PARAM, Unsupported
from openedai.serving.call import Call
from openedai.serving.embedding import Embedding, input_type_of
from openedai.serving.leases import Leases
from openedai.serving.usage.kinds import RERANKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Method = Literal["reranker", "embeddings"]
# Texts that are embedded in one request: more would keep more vectors in memory.
_EMBEDDED = 1024


@dataclass(frozen=True)
class Relevance:
    """The score of each document, and how the scores were made.

    The scores of a reranker are log odds, those of embeddings the cosine of the angle between query
    and document.
    """

    method: Method
    scores: Sequence[float]
    prompt_tokens: int

    def score(self, index: int, *, raw: bool) -> float:
        """A document's score; that of a reranker as a probability, unless it is to be `raw`."""
        score = self.scores[index]
        return score if raw or self.method == "embeddings" else _probability(score)


class Reranking:
    def __init__(self, leases: Leases, embedding: Embedding) -> None:
        self._leases = leases
        self._embedding = embedding

    async def run(self, call: Call[Any], request: RerankRequest) -> Relevance:
        """The relevance of each document. Raises as `Leases.lease` and the engine do, and
        Unsupported for limits of tokens that embeddings do not have.
        """
        if embeds_only(call.model):
            return await self._by_embeddings(call, request)
        async with self._leases.lease(call, Reranker, engine_request=request) as engine:
            use = call.use(RERANKS)
            result = await engine.rerank(replace(request, variant=call.model.variant))
            use.add(Usage(prompt_tokens=result.prompt_tokens))
        return Relevance("reranker", result.scores, result.prompt_tokens)

    async def _by_embeddings(self, call: Call[Any], request: RerankRequest) -> Relevance:
        _check_limits(request)
        queries, tokens = await self._vectors(call, request.queries, "query")
        scores: list[float] = []
        for start in range(0, len(request.documents), _EMBEDDED):
            part = request.documents[start : start + _EMBEDDED]
            documents, more = await self._vectors(call, part, "document")
            tokens += more
            theirs = queries[start : start + _EMBEDDED] if len(request.queries) > 1 else queries
            scores += (theirs * documents).sum(axis=1).tolist()
        return Relevance("embeddings", scores, tokens)

    async def _vectors(
        self, call: Call[Any], texts: Sequence[str], purpose: str
    ) -> tuple[NDArray[np.float64], int]:
        """Vectors of length 1, one for each text, and their tokens."""
        input_type = input_type_of(call, purpose)
        results = [
            await self._embedding.run(
                call,
                EmbedRequest(inputs=tuple(Text(text=text) for text in part), input_type=input_type),
            )
            for part in _parts(texts)
        ]
        return await asyncio.to_thread(_unit, results), sum(one.prompt_tokens for one in results)


def embeds_only(model: Model) -> bool:
    """Whether the model embeds texts but is not a reranker."""
    capabilities = capabilities_of(model.spec.engine, model.spec.options)
    return Reranker not in capabilities and Embedder in capabilities


def _parts(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + _EMBEDDED] for start in range(0, len(texts), _EMBEDDED)]


def _check_limits(request: RerankRequest) -> None:
    limits = {
        "document_tokens": request.document_tokens,
        "pair_tokens": request.pair_tokens,
        "truncate": None if request.truncate else False,
    }
    for name, value in limits.items():
        if value is not None:
            raise Unsupported(
                f"Unsupported parameter: '{PARAM}' is only supported by rerankers, and this model "
                "compares embeddings.",
                code="unsupported_parameter",
                param=name,
            )


def _unit(results: Sequence[EmbedResult]) -> NDArray[np.float64]:
    import numpy as np

    parts = [np.frombuffer(one.data, "<f4").reshape(-1, one.dimensions) for one in results]
    rows = np.concatenate(parts).astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return np.asarray(rows / lengths)


def _probability(log_odds: float) -> float:
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1 + odds)
