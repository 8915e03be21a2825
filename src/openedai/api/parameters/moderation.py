"""The result of a moderation in the shape of the official API."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from openedai.contract.moderate import CATEGORIES, Assessment


class ModerationObject(msgspec.Struct):
    """`category_applied_input_types` is empty for a category that the model does not know."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]


class ModerationResult(ModerationObject, kw_only=True):
    """The result of one moderation, with the model that made it."""

    model: str
    type: str = "moderation_result"


class ModerationError(msgspec.Struct):
    code: str
    message: str
    type: str = "error"


def moderation_object(
    texts: Iterable[Assessment], images: Iterable[Assessment] = ()
) -> ModerationObject:
    """One result for all assessments: each category has the highest of their scores."""
    scores: dict[str, float] = {}
    flagged: set[str] = set()
    applied: dict[str, list[str]] = {name: [] for name in CATEGORIES}
    for type, assessments in (("text", texts), ("image", images)):
        for one in assessments:
            flagged.update(one.flagged)
            for name, score in one.scores.items():
                scores[name] = max(score, scores.get(name, 0.0))
                if type not in applied[name]:
                    applied[name].append(type)
    return ModerationObject(
        flagged=bool(flagged),
        categories={name: name in flagged for name in CATEGORIES},
        category_scores={name: scores.get(name, 0.0) for name in CATEGORIES},
        category_applied_input_types=applied,
    )


def moderation_result(texts: Iterable[Assessment], model: str) -> ModerationResult:
    """The same result, with the name of the model."""
    fields = msgspec.structs.asdict(moderation_object(texts))
    return ModerationResult(**fields, model=model)
