"""`POST /v1/engines/{model}/search` and `POST /v1/search`: how similar documents are to a query."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.legacy.ranking import MAX_TEXTS, Ranking
from openedai.api.route import takes
from openedai.catalog.models import Model
from openedai.http.body import Body, Refused


class SearchRequest(Body):
    """`max_rerank` and `return_metadata` apply to files only, which are not supported."""

    model: str
    file: Refused = None
    query: str = Field(min_length=1)
    documents: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1, max_length=MAX_TEXTS)
    max_rerank: int | None = Field(None, ge=1)
    return_metadata: bool | None = None
    user: str | None = None


class SearchResult(msgspec.Struct):
    """`document` is its index in the request; the score is 100 times the cosine."""

    document: int
    score: float
    object: str = "search_result"


class SearchResults(msgspec.Struct):
    data: list[SearchResult]
    model: str
    object: str = "list"


class Search:
    def __init__(self, calls: Calls, ranking: Ranking) -> None:
        self._calls = calls
        self._ranking = ranking

    @takes(SearchRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, SearchRequest, self._model)
        scores = await self._ranking.scores(call, call.body.query, call.body.documents)
        results = [SearchResult(*pair) for pair in enumerate(scores)]
        return self._calls.respond(call, SearchResults(results, call.model.id))

    def _model(self, body: SearchRequest) -> Model:
        return self._ranking.search_model(body.model, "model")
