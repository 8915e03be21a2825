"""`POST /v1/rerank`, also as `/rerank` and `/v2/rerank`, and `POST /v1/score`."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.extensions.rerank.types import RelevanceBody, RerankBody, ScoreBody
from openedai.api.parameters.ids import new_id
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import EMBEDDING, RERANK
from openedai.catalog.models import Model
from openedai.errors import Unsupported
from openedai.serving.reranking import Method, Relevance, Reranking


class ApiVersion(msgspec.Struct):
    version: str = "2"


class InputTokens(msgspec.Struct):
    input_tokens: int


class Meta(msgspec.Struct, omit_defaults=True):
    """Cohere's `meta`, with `method` added."""

    method: Method
    tokens: InputTokens
    api_version: ApiVersion
    warnings: list[str] | UnsetType = UNSET


class RelevanceUsage(msgspec.Struct):
    prompt_tokens: int
    total_tokens: int


class RankedDocument(msgspec.Struct, omit_defaults=True):
    """`index` is the document's in the request."""

    index: int
    relevance_score: float
    document: dict[str, Any] | UnsetType = UNSET


class RerankAnswer(msgspec.Struct):
    id: str
    model: str
    results: list[RankedDocument]
    usage: RelevanceUsage
    meta: Meta


class Score(msgspec.Struct):
    index: int
    score: float
    object: str = "score"


class ScoreAnswer(msgspec.Struct):
    id: str
    created: int
    model: str
    data: list[Score]
    usage: RelevanceUsage
    meta: Meta
    object: str = "list"


class Rerank:
    def __init__(self, calls: Calls, catalog: Catalog, reranking: Reranking) -> None:
        self._calls = calls
        self._catalog = catalog
        self._reranking = reranking

    @takes(RerankBody)
    async def rerank(self, request: Request) -> Response:
        call = await self._calls.read(request, RerankBody, self._model)
        body = call.body
        found = await self._reranking.run(call, body.to_engine_request())
        answer = RerankAnswer(
            id=new_id("rerank-"),
            model=call.model.id,
            results=_ranked(body, found),
            usage=_usage(found),
            meta=_meta(found, call.model),
        )
        return self._calls.respond(call, answer)

    @takes(ScoreBody)
    async def score(self, request: Request) -> Response:
        call = await self._calls.read(request, ScoreBody, self._model)
        found = await self._reranking.run(call, call.body.to_engine_request())
        raw = call.body.raw
        answer = ScoreAnswer(
            id=new_id("score-"),
            created=int(time.time()),
            model=call.model.id,
            data=[Score(index, found.score(index, raw=raw)) for index in range(len(found.scores))],
            usage=_usage(found),
            meta=_meta(found, call.model),
        )
        return self._calls.respond(call, answer)

    def _model(self, body: RelevanceBody) -> Model:
        if body.model is not None:
            return self._catalog.resolve(body.model)
        default = self._catalog.default(RERANK) or self._catalog.default(EMBEDDING)
        if default is None:
            raise Unsupported(
                "This server has no reranker, and no model for embeddings in its place.",
                code="unsupported_model",
                param="model",
            )
        return default


def _ranked(body: RerankBody, found: Relevance) -> list[RankedDocument]:
    """The best documents first; equally good ones in the order of the request."""
    order = sorted(range(len(found.scores)), key=lambda index: -found.scores[index])
    return [
        RankedDocument(
            index,
            found.score(index, raw=body.raw),
            _shown(body.documents[index]) if body.return_documents else UNSET,
        )
        for index in order[: body.top_n]
    ]


def _shown(document: str | dict[str, Any]) -> dict[str, Any]:
    return {"text": document} if isinstance(document, str) else document


def _usage(found: Relevance) -> RelevanceUsage:
    return RelevanceUsage(found.prompt_tokens, found.prompt_tokens)


def _meta(found: Relevance, model: Model) -> Meta:
    meta = Meta(found.method, InputTokens(found.prompt_tokens), ApiVersion())
    if found.method == "embeddings":
        meta.warnings = [
            f"The model `{model.id}` is no reranker: the scores are the similarity of its "
            "embeddings."
        ]
    return meta
