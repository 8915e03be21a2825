"""The body of a search, and what it finds as the API shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from pydantic import Field

from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.api.parameters.vector_stores.queries import (
    AnyFilter,
    RankingOptions,
    check_filter,
    to_filter,
)
from openedai.http.body import Body
from openedai.serving.vector_stores.searching import Result, StoreQuery

MAX_QUERIES = 20

QueryText = Annotated[str, Field(min_length=1, max_length=32_768)]


class StoreSearchRequest(Body):
    query: Annotated[
        Annotated[QueryText, branch("a string")]
        | Annotated[
            Annotated[list[QueryText], Field(min_length=1, max_length=MAX_QUERIES)],
            branch("an array"),
        ],
        BY_JSON_TYPE,
    ]
    filters: AnyFilter | None = None
    max_num_results: int = Field(10, ge=1, le=50)
    ranking_options: RankingOptions | None = None
    rewrite_query: bool | None = None

    def check(self) -> None:
        check_filter(self.filters, "filters")
        if self.ranking_options is not None:
            self.ranking_options.check_at("ranking_options")

    def to_query(self) -> StoreQuery:
        options = self.ranking_options or RankingOptions()
        return StoreQuery(
            texts=[self.query] if isinstance(self.query, str) else self.query,
            limit=self.max_num_results,
            filter=to_filter(self.filters),
            weights=options.weights,
            least_score=options.score_threshold,
            rerank=options.rerank,
            rewrite=bool(self.rewrite_query),
        )


class ResultObject(msgspec.Struct):
    file_id: str
    filename: str
    score: float
    attributes: dict[str, Any]
    content: list[dict[str, str]]

    @classmethod
    def of(cls, result: Result) -> ResultObject:
        file = result.hit.file
        content = [{"type": "text", "text": result.hit.text}]
        return cls(file.file, file.filename, result.score, dict(file.attributes), content)


class ResultPage(msgspec.Struct, kw_only=True):
    """`search_query` are the texts that were searched."""

    object: str = "vector_store.search_results.page"
    search_query: Sequence[str]
    data: list[ResultObject]
    has_more: bool = False
    next_page: None = None
