"""Ranks passages for questions with the search of vector stores: by meaning, by words, by both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openedai.search.cache import AddedFile, Cache
from openedai.search.rank import BOTH, Search, Weights
from openedai.search.segments import Segment, halved, unit
from tests.search.quality.questions import Passage, Question

Embed = Callable[[Sequence[str]], NDArray[np.float32]]  # [texts, dimensions]

WAYS = {"dense": Weights(1, 0), "bm25": Weights(0, 1), "hybrid": BOTH}
_FOUND = 5


class Rankings:
    """An index of passages, one chunk each, in a folder."""

    def __init__(self, folder: Path, passages: Sequence[Passage], embed: Embed) -> None:
        vectors = unit(embed([passage.text for passage in passages]))
        self._passages = passages
        self._embed = embed
        self._queries: dict[str, NDArray[np.float32]] = {}
        self._cache = Cache(folder, vectors.shape[1])
        for index, passage in enumerate(passages):
            text, row = passage.text, halved(vectors[index : index + 1])
            segment = Segment(text, [], [(0, len(text))], [0], vectors.shape[1], row)
            self._cache.add(AddedFile(str(index), "1", "a.txt", {}), segment)
        self._cache.finish(1)

    def prepare(self, questions: Sequence[Question]) -> None:
        """Embed all questions at once."""
        vectors = unit(self._embed([question.text for question in questions]))
        for question, vector in zip(questions, vectors, strict=True):
            self._queries[question.text] = vector.reshape(1, -1)

    def rank(self, question: Question, weights: Weights) -> list[Passage]:
        """The best five passages."""
        vector = self._queries[question.text]
        search = Search([question.text], vector, _FOUND, weights=weights)
        hits = search.run(self._cache, self._cache.view())
        return [self._passages[int(hit.file.file)] for hit in hits]

    def close(self) -> None:
        self._cache.close()
