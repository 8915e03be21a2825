"""Pairs of a query and a document as the tokens that a reranker of llama.cpp reads."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from openedai.contract.rerank import RerankRequest
from openedai.engines.embedding.batching import Row, encodable, shared
from openedai.engines.llama_cpp.pooled.pooled_model import PooledModel
from openedai.errors import ContextLengthExceeded

_QUERY, _DOCUMENT = "{query}", "{document}"
# The most characters of a text that are tokenised, per token of the limit.
_CHARACTERS_PER_TOKEN = 32


class PairFormat:
    """Uses the template named `rerank` in the weights, or else puts the special tokens between the
    texts.
    """

    def __init__(self, model: PooledModel, limit: int) -> None:
        """`limit` is the most tokens of a pair."""
        self._vocabulary = vocabulary = model.vocabulary
        self._limit = limit
        self._template = model.template("rerank")
        bos = [vocabulary.bos] if vocabulary.adds_bos and vocabulary.bos is not None else []
        eos = [vocabulary.eos] if vocabulary.adds_eos and vocabulary.eos is not None else []
        separator = model.separator()
        sep = [] if separator is None else [separator]
        self._start, self._middle, self._end = bos, eos + sep, eos or sep
        self._special = len(self._start) + len(self._middle) + len(self._end)
        if self._template:
            self._special = len(self._filled("", ""))

    def rows(self, request: RerankRequest) -> list[Row]:
        """A row for each document, in their order. Raises ContextLengthExceeded."""
        queries = {query: self._ids(query) for query in dict.fromkeys(request.queries)}
        pairs = (
            array("i", self._pair(index, queries[request.query(index)], request))
            for index in range(len(request.documents))
        )
        return [Row(tokens, len(tokens)) for tokens in pairs]

    def _pair(self, index: int, query: Sequence[int], request: RerankRequest) -> list[int]:
        limit, document = self._limit, self._ids(request.documents[index])
        whole = len(document)
        document = document[: request.document_tokens]
        if request.pair_tokens is not None and request.pair_tokens <= limit:
            limit = request.pair_tokens
        elif not request.truncate and len(query) + len(document) + self._special > limit:
            raise ContextLengthExceeded.of_pair(index, limit)
        kept = shared(len(query), len(document), max(0, limit - self._special))
        if not self._template:
            first, second = query[: kept[0]], document[: kept[1]]
            return [*self._start, *first, *self._middle, *second, *self._end]
        if kept == (len(query), whole):
            tokens = self._filled(request.query(index), request.documents[index])
        else:
            text = self._vocabulary.text
            tokens = self._filled(text(query[: kept[0]]), text(document[: kept[1]]))
        return tokens[: self._limit]  # joining texts may add tokens

    def _filled(self, query: str, document: str) -> list[int]:
        """The tokens of the template with these texts."""
        before, placed, after = self._template.partition(_DOCUMENT)
        parts = [part.replace(_QUERY, query) for part in (before, after)]
        return self._vocabulary.tokenize(parts[0] + (document if placed else "") + parts[1], False)

    def _ids(self, text: str) -> list[int]:
        """The tokens of a text, or as many as determine what is kept of it."""
        start = encodable(text)[: _CHARACTERS_PER_TOKEN * self._limit]
        return self._vocabulary.tokenize(start, False)
