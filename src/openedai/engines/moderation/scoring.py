"""Moderation of texts by the scores of their windows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.generate import Text, Tokens
from openedai.contract.moderate import CATEGORIES, Assessment, ModerateRequest, ModerateResult
from openedai.engines.embedding.batching import BatchedEmbedder, Row
from openedai.engines.embedding.graph import Graph
from openedai.engines.embedding.tokenizer import TextTokenizer
from openedai.engines.moderation.windows import windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Most of the training texts are no longer than this, and one sentence gets lost among many.
JOINED = 130


class TextScorer(BatchedEmbedder):
    """Scores windows in batches of several requests, as an embedder does; the log odds of the
    categories take the place of vectors.
    """

    def __init__(
        self,
        model: str,
        graph: Graph,
        tokenizer: TextTokenizer,
        thresholds: Sequence[float],
        batch_tokens: int,
        cache: int = 0,
    ) -> None:
        super().__init__(model, len(CATEGORIES), batch_tokens, cache)
        self._graph = graph
        self._tokenizer = tokenizer
        self._thresholds = thresholds

    async def moderate(self, request: ModerateRequest) -> ModerateResult:
        """The assessments of the request's texts; a text has the highest scores of its windows."""
        parts = await asyncio.to_thread(
            lambda: [windows(text.text, joined=JOINED) for text in request.inputs]
        )
        texts = tuple(Text(text=window) for windows_of_one in parts for window in windows_of_one)
        result = await self.embed(EmbedRequest(inputs=texts))
        scores = await asyncio.to_thread(_highest, result, [len(one) for one in parts])
        return ModerateResult(
            assessments=tuple(self._assessment(row) for row in scores),
            prompt_tokens=result.prompt_tokens,
        )

    def prepare(self, inputs: Sequence[Text | Tokens], input_type: str | None) -> list[Row]:
        return [Row(ids, len(ids)) for ids in self._tokenizer.encode(inputs)]

    def compute(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        return self._graph.run(rows, lambda logits, lengths: logits)

    async def close(self) -> None:
        await super().close()
        self._graph.close()

    def _assessment(self, row: NDArray[Any]) -> Assessment:
        scores = dict(zip(CATEGORIES, map(float, row), strict=True))
        limits = zip(scores.items(), self._thresholds, strict=True)
        flagged = tuple(name for (name, score), threshold in limits if score >= threshold)
        return Assessment(scores=scores, flagged=flagged)


def probabilities(log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    return np.asarray(1 / (1 + np.exp(-log_odds)), np.float32)


def _highest(result: EmbedResult, counts: Sequence[int]) -> NDArray[Any]:
    """[texts, categories]; each text has as many vectors, after those of the text before it."""
    import numpy as np

    log_odds = np.frombuffer(result.data, "<f4").reshape(-1, result.dimensions)
    starts = np.cumsum([0, *counts[:-1]])
    return probabilities(np.maximum.reduceat(log_odds, starts, axis=0))
