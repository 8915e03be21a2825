"""The echo engine's scores of documents: the share of the query's words that a document
contains.
"""

from __future__ import annotations

from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.errors import ContextLengthExceeded

_SCALE = 8.0  # of the log odds: from -4, without a common word, to 4


def overlaps(request: RerankRequest, context: int) -> RerankResult:
    """A word is a token, and there are no special ones."""
    scores, tokens = [], 0
    limit = min(context, request.pair_tokens or context)
    for index, document in enumerate(request.documents):
        query = request.query(index).lower().split()[: request.pair_tokens]
        words = document.lower().split()[: request.document_tokens]
        if not request.truncate and limit == context and len(query) + len(words) > limit:
            raise ContextLengthExceeded.of_pair(index, limit)
        query = query[:limit]
        words = words[: limit - len(query)]
        tokens += len(query) + len(words)
        known = set(words)
        common = sum(word in known for word in query)
        scores.append(_SCALE * (common / max(1, len(query)) - 0.5))
    return RerankResult(scores=tuple(scores), prompt_tokens=tokens)
