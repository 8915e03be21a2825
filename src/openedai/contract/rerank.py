"""Reranking: requests and their results."""

from __future__ import annotations

from openedai.contract.struct import Struct


class RerankRequest(Struct, frozen=True):
    """A request for how relevant each document is to a query.

    `queries` has one query for all documents, or one for each. `document_tokens` is the most tokens
    of a document that are read, and `pair_tokens` the most of a query and a document together, with
    special tokens. What is still longer than the model's own limit is truncated, or refused without
    `truncate`. `variant` is as in `GenerateRequest`.
    """

    queries: tuple[str, ...]
    documents: tuple[str, ...]
    document_tokens: int | None = None
    pair_tokens: int | None = None
    truncate: bool = True
    variant: str | None = None

    def query(self, index: int) -> str:
        """The query of a document."""
        return self.queries[index if len(self.queries) > 1 else 0]


class RerankResult(Struct, frozen=True, tag="rerank_result"):
    """A score for each document, in their order, and the tokens that the model read.

    A score is the log odds of relevance: 0 is as likely as not. Any finite number is possible.
    """

    scores: tuple[float, ...]
    prompt_tokens: int
