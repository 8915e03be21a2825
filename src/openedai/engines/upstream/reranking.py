"""Reranking by an upstream: the request to its `/v1/rerank`, and its answer as the contract's."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.engines.remote.connection import RemoteRequest
from openedai.engines.upstream.answers.generation import UsageCounts
from openedai.engines.upstream.answers.problems import MalformedAnswer

# The nearest to 0 and 1 of a probability whose log odds are taken.
_MARGIN = 1e-12


class RankedItem(msgspec.Struct):
    index: int
    relevance_score: float


class RerankedTokens(msgspec.Struct):
    input_tokens: int | None = None


class RerankedMeta(msgspec.Struct):
    tokens: RerankedTokens | None = None


class RerankedUsage(UsageCounts):
    """Some servers count all tokens only."""

    total_tokens: int | None = None


class RerankedBody(msgspec.Struct):
    results: list[RankedItem]
    usage: RerankedUsage | None = None
    meta: RerankedMeta | None = None


def by_query(request: RerankRequest) -> Iterator[tuple[list[int], RerankRequest]]:
    """A request for each query, with the indices of its documents."""
    places: dict[str, list[int]] = {}
    for index in range(len(request.documents)):
        places.setdefault(request.query(index), []).append(index)
    for query, indices in places.items():
        documents = tuple(request.documents[index] for index in indices)
        yield indices, msgspec.structs.replace(request, queries=(query,), documents=documents)


def rerank_request(request: RerankRequest, model: str) -> RemoteRequest:
    """The request of one query to `model`, the upstream's name."""
    fields = {
        "model": model,
        "query": request.queries[0],
        "documents": list(request.documents),
        "top_n": len(request.documents),
        "max_tokens_per_doc": request.document_tokens,
        "truncate_prompt_tokens": request.pair_tokens,
        "truncation": None if request.truncate else False,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return RemoteRequest("rerank", given, "documents")


def read_scores(body: bytes, documents: int) -> RerankResult:
    """The log odds of the documents, in their order.

    Servers answer with probabilities, or with log odds: with those where they are not all from 0
    to 1. Raises MalformedAnswer, and msgspec's errors.
    """
    answer = msgspec.json.decode(body, type=RerankedBody)
    scores = {item.index: item.relevance_score for item in answer.results}
    if len(answer.results) != documents or sorted(scores) != list(range(documents)):
        raise MalformedAnswer("answered with other scores than one for each document")
    ordered = [scores[index] for index in range(documents)]
    if not all(map(math.isfinite, ordered)):
        raise MalformedAnswer("answered with a score that is not finite")
    if all(0 <= score <= 1 for score in ordered):
        ordered = [_log_odds(score) for score in ordered]
    return RerankResult(scores=tuple(ordered), prompt_tokens=_tokens(answer))


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _MARGIN), 1 - _MARGIN)
    return math.log(inside / (1 - inside))


def _tokens(answer: RerankedBody) -> int:
    if answer.usage is not None:
        return max(0, answer.usage.prompt_tokens or answer.usage.total_tokens or 0)
    counted = answer.meta and answer.meta.tokens and answer.meta.tokens.input_tokens
    return max(0, counted or 0)
