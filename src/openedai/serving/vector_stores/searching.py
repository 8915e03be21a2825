"""Searches in vector stores, for their endpoint and for tools."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Literal

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import CHAT, RERANK
from openedai.contract.chat import Chat, Message
from openedai.contract.generate import GenerateRequest, Sampling
from openedai.contract.rerank import RerankRequest
from openedai.errors import ModelNotFound, Unsupported
from openedai.http.exchange import Exchange
from openedai.search.filters import Filter
from openedai.search.rank import BOTH, Hit, Search, Weights
from openedai.serving.call import Call
from openedai.serving.generation import Generation
from openedai.serving.outcome import fold
from openedai.serving.reranking import Reranking
from openedai.serving.vector_stores.caches import SearchCaches
from openedai.serving.vector_stores.embedding import StoreEmbedding
from openedai.serving.vector_stores.service import check_usable
from openedai.store.vector_stores.stores import VectorStore, VectorStores

# How many chunks a reranker reads: this many, but at least as many as are asked for.
_RERANKED = 30
_REWRITTEN_TOKENS = 100
_REWRITE = (
    "Rewrite the user's text as one short query for a search engine. Keep its language, its names "
    "and its numbers. Answer with the query alone."
)


Rerank = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class StoreQuery:
    """What is searched for. With several `texts`, the one that fits a chunk best gives its score.
    With `rewrite` each text is also searched for as rewritten by the default chat model. Results
    with a score below `least_score` are left out. `rerank` is whether the default reranker is used,
    if there is one; "auto" means if the key may use it.
    """

    texts: Sequence[str]
    limit: int = 10
    filter: Filter | None = None
    weights: Weights = BOTH
    least_score: float = 0.0
    rerank: Rerank = "auto"
    rewrite: bool = False


@dataclass(frozen=True)
class Result:
    """A chunk of a file, with a score from 0 to 1."""

    store: str
    hit: Hit
    score: float


class StoreSearch:
    def __init__(
        self,
        catalog: Catalog,
        stores: VectorStores,
        caches: SearchCaches,
        embedding: StoreEmbedding,
        reranking: Reranking,
        generation: Generation,
    ) -> None:
        self._catalog = catalog
        self._stores = stores
        self._caches = caches
        self._embedding = embedding
        self._reranking = reranking
        self._generation = generation

    async def check(self, owner: str, ids: Sequence[str]) -> None:
        """Raise what `run` would for stores that cannot be searched."""
        for id in ids:
            check_usable(await self._stores.find(owner, id))

    async def run(
        self, exchange: Exchange, ids: Sequence[str], query: StoreQuery
    ) -> tuple[list[str], list[Result]]:
        """The texts that were searched, and the best chunks of all stores together.

        Raises NotFound for a store of another owner, InvalidRequest for one that has expired or
        whose model has changed, and what the models raise.
        """
        stores = [await self._stores.find(exchange.owner, id) for id in ids]
        for store in stores:
            check_usable(store)
        texts = list(dict.fromkeys(query.texts))
        if query.rewrite:
            rewritten = [await self._rewritten(exchange, text) for text in texts]
            texts = list(dict.fromkeys(text for text in [*rewritten, *texts] if text))
        reranks = self._reranks(exchange, query.rerank)
        limit = max(query.limit, _RERANKED) if reranks else query.limit
        wide = replace(query, texts=texts, limit=limit)
        results = [one for store in stores for one in await self._search(exchange, store, wide)]
        results.sort(key=lambda result: -result.score)
        if reranks:
            results = await self._reranked(exchange, query.texts, results[:limit])
        for store in stores:
            await self._stores.touch(store)
        best = [one for one in results if one.score >= query.least_score]
        return texts, best[: query.limit]

    async def _search(
        self, exchange: Exchange, store: VectorStore, query: StoreQuery
    ) -> list[Result]:
        if store.fields.dimensions is None:  # it never had a file
            return []
        vectors = await self._embedding.embed(store, copy(exchange), query.texts, "query")
        # The present revision, so that everything changed before the search is found.
        store = await self._stores.find(exchange.owner, store.id)
        async with self._caches.use(store) as (cache, view):
            search = Search(
                queries=query.texts,
                vectors=vectors,
                limit=query.limit,
                weights=query.weights,
                filter=query.filter,
                sparing=cache.size > self._caches.most_bytes,
            )
            hits = await asyncio.to_thread(search.run, cache, view)
        return [Result(store.id, hit, hit.score) for hit in hits]

    def _reranks(self, exchange: Exchange, rerank: Rerank) -> bool:
        """Raises ModelNotFound if a reranker was asked for that the key may not use."""
        model = self._catalog.default(RERANK)
        if model is None or rerank == "never":
            return False
        permitted = self._catalog.permits(exchange.identity, model.id)
        if rerank == "always" and not permitted:
            raise ModelNotFound(model.id, param="ranking_options.ranker")
        return permitted

    async def _reranked(
        self, exchange: Exchange, texts: Sequence[str], results: Sequence[Result]
    ) -> list[Result]:
        """The results with the scores that the default reranker gives them."""
        model = self._catalog.default(RERANK)
        if not results or model is None:
            return list(results)
        request = RerankRequest(
            queries=("\n".join(texts),), documents=tuple(one.hit.text for one in results)
        )
        call: Call[Any] = Call(None, model, copy(exchange))
        found = await self._reranking.run(call, request)
        scored = [
            replace(one, score=found.score(index, raw=False)) for index, one in enumerate(results)
        ]
        return sorted(scored, key=lambda result: -result.score)

    async def _rewritten(self, exchange: Exchange, text: str) -> str:
        model = self._catalog.default(CHAT)
        if model is None:
            raise Unsupported(
                "This server has no chat model, which `rewrite_query` needs.",
                code="unsupported_model",
                param="rewrite_query",
            )
        request = GenerateRequest(
            prompt=Chat(
                messages=(
                    Message(role="system", content=_REWRITE),
                    Message(role="user", content=text),
                )
            ),
            sampling=Sampling(temperature=0.0),
            max_tokens=_REWRITTEN_TOKENS,
            streamed=False,
        )
        call: Call[Any] = Call(None, model, copy(exchange))
        (outcome,) = await fold(self._generation.run(call, [request]), 1)
        return " ".join(outcome.text.split())
