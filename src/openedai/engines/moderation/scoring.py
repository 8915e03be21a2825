"""Moderation by heads on the embeddings of a text's windows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.generate import Text
from openedai.contract.moderate import CATEGORIES, Assessment, ModerateRequest, ModerateResult
from openedai.engines.moderation.heads import Heads
from openedai.engines.moderation.windows import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

Embed = Callable[[EmbedRequest], Awaitable[EmbedResult]]


async def moderated(request: ModerateRequest, heads: Heads, embed: Embed) -> ModerateResult:
    """The assessments of the request's texts; a text has the highest scores of its windows."""
    parts = await asyncio.to_thread(lambda: [windows(text.text) for text in request.inputs])
    texts = tuple(Text(text=window) for windows_of_one in parts for window in windows_of_one)
    result = await embed(EmbedRequest(inputs=texts))
    scores = await asyncio.to_thread(_highest, heads, result, [len(one) for one in parts])
    return ModerateResult(
        assessments=tuple(_assessment(heads, row) for row in scores),
        prompt_tokens=result.prompt_tokens,
    )


def _highest(heads: Heads, result: EmbedResult, counts: Sequence[int]) -> NDArray[Any]:
    """[texts, categories]; each text has as many vectors, after those of the text before it."""
    import numpy as np

    vectors = np.frombuffer(result.data, "<f4").reshape(-1, result.dimensions)
    probabilities = heads.probabilities(vectors)
    starts = np.cumsum([0, *counts[:-1]])
    return np.asarray(np.maximum.reduceat(probabilities, starts, axis=0))


def _assessment(heads: Heads, row: NDArray[Any]) -> Assessment:
    scores = dict(zip(CATEGORIES, map(float, row), strict=True))
    limits = zip(scores.items(), heads.thresholds, strict=True)
    flagged = tuple(name for (name, score), threshold in limits if score >= threshold)
    return Assessment(scores=scores, flagged=flagged)
