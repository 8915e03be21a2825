"""Pairs of a query and a document as the tokens that a cross-encoder reads."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from openedai.contract.rerank import RerankRequest
from openedai.engines.embedding.batching import Row, encodable, shared
from openedai.engines.embedding.tokenizer import FolderTokenizer
from openedai.errors import ContextLengthExceeded, Unavailable

# How many documents are tokenised together: the tokens of long ones take more memory than their
# rows.
_TOGETHER = 256


class PairTokenizer:
    """Joins the tokens of two texts as the model's tokenizer does, and truncates like it."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        """`config` is the model's config.json. Raises Unavailable and EngineFailed."""
        self._folder = FolderTokenizer(folder, config)
        probe = self._folder.library.encode("a", "a")
        places = probe.sequence_ids
        first = [place for place, text in enumerate(places) if text == 0]
        second = [place for place, text in enumerate(places) if text == 1]
        if not first or not second or first[-1] + 1 == second[0]:
            raise Unavailable("Its tokenizer.json does not say how two texts are joined.")
        self._start = probe.ids[: first[0]]
        self._middle = probe.ids[first[-1] + 1 : second[0]]
        self._end = probe.ids[second[-1] + 1 :]
        self._typed = probe.type_ids[second[0]] == 1

    def rows(self, request: RerankRequest) -> list[Row]:
        """A row for each document, in their order. Raises ContextLengthExceeded."""
        queries = self._query_tokens(request.queries)
        return [
            self._row(index, queries[request.query(index)], document, request)
            for index, document in enumerate(self._documents(request))
        ]

    def _query_tokens(self, queries: Sequence[str]) -> dict[str, list[int]]:
        texts = list(dict.fromkeys(queries))
        encoded = self._folder.bodies([encodable(text) for text in texts])
        return dict(zip(texts, encoded, strict=True))

    def _documents(self, request: RerankRequest) -> Iterator[Sequence[int]]:
        for start in range(0, len(request.documents), _TOGETHER):
            texts = request.documents[start : start + _TOGETHER]
            yield from self._folder.bodies([encodable(text) for text in texts])

    def _row(
        self, index: int, query: Sequence[int], document: Sequence[int], request: RerankRequest
    ) -> Row:
        limit = self._folder.limit
        special = len(self._start) + len(self._middle) + len(self._end)
        if request.document_tokens is not None:
            document = self._cut(document, request.document_tokens)
        if request.pair_tokens is not None and request.pair_tokens <= limit:
            limit = request.pair_tokens
        elif not request.truncate and len(query) + len(document) + special > limit:
            raise ContextLengthExceeded.of_pair(index, limit)
        shares = shared(len(query), len(document), max(0, limit - special))
        query, document = self._cut(query, shares[0]), self._cut(document, shares[1])
        head = [*self._start, *query, *self._middle]
        tokens = array("i", [*head, *document, *self._end])
        return Row(tokens, len(tokens), len(head) if self._typed else None)

    def _cut(self, tokens: Sequence[int], most: int) -> Sequence[int]:
        return tokens[max(0, len(tokens) - most) :] if self._folder.from_left else tokens[:most]
