"""The result of a moderation as the official API has it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from openedai.contract.moderate import CATEGORIES, Assessment


class ModerationObject(msgspec.Struct):
    """`category_applied_input_types` is empty for a category that the model does not know."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, tuple[str, ...]]


def moderation_object(assessments: Iterable[Assessment]) -> ModerationObject:
    """One result for all of them: a category has the highest of their scores."""
    scores: dict[str, float] = {}
    flagged: set[str] = set()
    for one in assessments:
        flagged.update(one.flagged)
        for name, score in one.scores.items():
            scores[name] = max(score, scores.get(name, 0.0))
    return ModerationObject(
        flagged=bool(flagged),
        categories={name: name in flagged for name in CATEGORIES},
        category_scores={name: scores.get(name, 0.0) for name in CATEGORIES},
        category_applied_input_types={
            name: ("text",) if name in scores else () for name in CATEGORIES
        },
    )
