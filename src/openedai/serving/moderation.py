"""Moderation: turns texts and images into scores by category, and flags categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openedai.contract.engine import ImageModerator, Moderator
from openedai.contract.generate import Text, Usage
from openedai.contract.moderate import (
    Assessment,
    ModerateImagesRequest,
    ModerateRequest,
    ModerateResult,
)
from openedai.serving.call import Call
from openedai.serving.leases import Leases
from openedai.serving.usage.kinds import MODERATIONS


class Moderation:
    """`thresholds` are the scores from which categories are flagged. For categories without one,
    the model decides.
    """

    def __init__(self, leases: Leases, thresholds: Mapping[str, float]) -> None:
        self._leases = leases
        self._thresholds = thresholds

    async def run(self, call: Call[Any], texts: Sequence[str]) -> list[Assessment]:
        """One assessment for each text. Raises as `Leases.lease` and the engine do."""
        request = ModerateRequest(
            inputs=tuple(Text(text=text) for text in texts), variant=call.model.variant
        )
        async with self._leases.lease(call, Moderator, engine_request=request) as engine:
            result = await engine.moderate(request)
            return self._assessments(call, result)

    async def run_images(self, call: Call[Any], images: Sequence[bytes]) -> list[Assessment]:
        """The same for image files."""
        request = ModerateImagesRequest(images=tuple(images), variant=call.model.variant)
        async with self._leases.lease(call, ImageModerator, engine_request=request) as engine:
            result = await engine.moderate_images(request)
            return self._assessments(call, result)

    def _assessments(self, call: Call[Any], result: ModerateResult) -> list[Assessment]:
        call.use(MODERATIONS).add(Usage(prompt_tokens=result.prompt_tokens))
        return [self._flagged(assessment) for assessment in result.assessments]

    def _flagged(self, assessment: Assessment) -> Assessment:
        scores = assessment.scores
        flagged = tuple(
            name
            for name, score in scores.items()
            if (
                score >= self._thresholds[name]
                if name in self._thresholds
                else name in assessment.flagged
            )
        )
        return Assessment(scores=scores, flagged=flagged)
