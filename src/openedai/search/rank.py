"""Searches one store: by meaning, by words, or by both.

Scores are from 0 to 1. By meaning, a score is the cosine between the vectors of the query and of
the chunk; by words, it is the BM25 of the chunk as a share of the BM25 of a chunk of average length
that has each word once. Both are combined by their weights: unlike reciprocal ranks, this also says
how good the best result is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openedai.search.filters import Filter
from openedai.search.view import CachedFile, View
from openedai.search.words import query_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openedai.search.cache import Cache

# How many chunks either way of searching finds; the best of them are kept.
_LEAST_FOUND, _FOUND = 100, 4
# With a filter, many of the chunks that match the words may be dropped.
_FILTERED = 20
_MOST_WORDS = 64
# The rarest words of a query are searched until this many chunks have them: more frequent words say
# little, and cost the most.
_MOST_CHUNKS = 10_000
_LEAST_WEIGHT = 1e-6


@dataclass(frozen=True)
class Weights:
    """How much meaning and words count; one of them may be 0.

    In tests with the default embedding model the default found the most, more than either way alone
    and than reciprocal ranks.
    """

    meaning: float = 3.0
    words: float = 1.0


BOTH = Weights()


@dataclass(frozen=True)
class Hit:
    file: CachedFile
    text: str
    score: float


@dataclass(frozen=True)
class Search:
    """`vectors` are the vectors of the queries: [queries, dimensions]. A `sparing` search keeps
    little of the file of vectors in memory.
    """

    queries: Sequence[str]
    vectors: NDArray[np.float32]
    limit: int
    weights: Weights = BOTH
    filter: Filter | None = None
    sparing: bool = False

    def run(self, cache: Cache, view: View) -> list[Hit]:
        """The best chunks, the best first. Blocking."""
        kept = view.rows_of(self._keep())
        limit = max(_LEAST_FOUND, _FOUND * self.limit)
        similar = None
        meaning: dict[int, float] = {}
        if self.weights.meaning:
            similar = view.similarities(self.vectors, sparing=self.sparing)
            meaning = view.best(similar, kept, limit)
        words = self._words(cache, view, limit) if self.weights.words else {}
        chunks = [*meaning, *(chunk for chunk in words if chunk not in meaning)]
        cosines = view.scores_of(similar, kept, chunks)
        scores = {
            chunk: self._score(cosine, words.get(chunk, 0.0)) for chunk, cosine in cosines.items()
        }
        best = sorted(scores, key=lambda chunk: -scores[chunk])[: self.limit]
        texts = cache.texts(best)
        return [
            Hit(file, texts[chunk], scores[chunk])
            for chunk, file in zip(best, view.files_of(best), strict=True)
            if chunk in texts
        ]

    def _keep(self) -> Callable[[CachedFile], bool] | None:
        filter = self.filter
        return None if filter is None else lambda file: filter.matches(file.attributes)

    def _score(self, cosine: float, words: float) -> float:
        weights = self.weights
        joined = weights.meaning * min(1.0, max(0.0, cosine)) + weights.words * words
        return joined / (weights.meaning + weights.words)

    def _words(self, cache: Cache, view: View, limit: int) -> dict[int, float]:
        """The chunks with words of a query, each scored by the query that fits it best."""
        found: dict[int, float] = {}
        count = view.count
        if self.filter is not None:
            limit *= _FILTERED
        for query in self.queries:
            words, weight = _chosen(cache, query, count)
            if not words:
                continue
            for chunk, score in cache.matches(" OR ".join(words), limit):
                share = min(1.0, score / weight)
                found[chunk] = max(found.get(chunk, 0.0), share)
        return found


def _chosen(cache: Cache, query: str, count: int) -> tuple[list[str], float]:
    """The words of a query that are searched, and the sum of their weights."""
    words = query_words(query)[:_MOST_WORDS]
    numbers = {word: cache.frequency(word, _MOST_CHUNKS) for word in words}
    rare: list[str] = []
    chunks = 0
    for word in sorted(words, key=lambda word: numbers[word]):
        chunks += numbers[word]
        if rare and chunks > _MOST_CHUNKS:
            break
        rare.append(word)
    # Words that no chunk has count too, so that the other words alone are not a full match.
    weight = sum(_weight(max(1, numbers[word]), count) for word in rare)
    return [word for word in rare if numbers[word]], weight


def _weight(number: int, count: int) -> float:
    """The weight that BM25 gives a word that this many of the chunks have. Files may be added
    meanwhile.
    """
    others = max(0, count - number)
    return max(_LEAST_WEIGHT, math.log((others + 0.5) / (number + 0.5)))
