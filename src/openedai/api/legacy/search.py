"""`POST /v1/engines/{id}/search` and `POST /v1/search`: how near documents are to a query."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.legacy.ranking import MAX_TEXTS, scores, search_model
from openedai.http.body import Body, Refused
from openedai.http.respond import json_response
from openedai.serving.services import services


class SearchRequest(Body):
    """`max_rerank` and `return_metadata` are about files, of which there are none."""

    model: str
    file: Refused = None
    query: str = Field(min_length=1)
    documents: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1, max_length=MAX_TEXTS)
    max_rerank: int | None = Field(None, ge=1)
    return_metadata: bool | None = None
    user: str | None = None


class SearchResult(msgspec.Struct):
    """`document` is its place in the request; the score is 100 times the cosine."""

    document: int
    score: float
    object: str = "search_result"


class SearchResults(msgspec.Struct):
    data: list[SearchResult]
    model: str
    object: str = "list"


async def create(request: Request) -> Response:
    here = services(request)
    body, headers = await here.read(request, SearchRequest)
    model = search_model(here, body.model, "model")
    values = await scores(here, request, model, body.query, body.documents)
    results = SearchResults([SearchResult(*pair) for pair in enumerate(values)], model.id)
    return json_response(results, headers=headers | here.limits(model.spec))
