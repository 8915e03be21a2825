"""How well a classifier does on held-out texts, by category: a table for docs/moderation.md."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moderation.scores import Scores
from moderation.styles import DISGUISES, between
from moderation.texts import LabelledText
from openedai.contract.moderate import CATEGORIES

BINS = 10
HEADER = (
    "| Texts | Category | Yes | No | AUC | Precision | Recall | Calibration error |",
    "|---|---|---|---|---|---|---|---|",
)
Score = Callable[[Sequence[str]], Scores]
Thresholds = Sequence[float]


@dataclass(frozen=True)
class Measured:
    """`calibration` is the mean distance of probability and share of truths, in ten bins."""

    yes: int
    no: int
    auc: float
    precision: float
    recall: float
    calibration: float


def measured(scores: Scores, flagged: NDArray[np.bool_], truths: NDArray[np.bool_]) -> Measured:
    """Of one category, or of `flagged` at all."""
    right = int((flagged & truths).sum())
    return Measured(
        yes=int(truths.sum()),
        no=int((~truths).sum()),
        auc=_auc(scores, truths),
        precision=right / max(1, int(flagged.sum())),
        recall=right / max(1, int(truths.sum())),
        calibration=_calibration(scores, truths),
    )


def tables(held_out: Sequence[LabelledText], score: Score, thresholds: Thresholds) -> Iterator[str]:
    """The lines of the report."""
    yield from HEADER
    own = [item for item in held_out if not item.source.startswith("packages")]
    others = [item for item in held_out if item.source.startswith("packages")]
    for name, texts in (("by hand", own), ("of others", others), ("all", [*own, *others])):
        scores = score([one.text for one in texts])
        yield from _rows(name, texts, scores, thresholds)
    for style in DISGUISES:
        changed = [style(one.text, random.Random(one.text)) for one in own]
        yield _row(
            f"by hand, {style.__name__}", "flagged", _any_flag(own, score(changed), thresholds)
        )
    harmless = [one.text for one in own if not one.flagged]
    changed = [between(one.text, harmless, random.Random(one.text)) for one in own]
    flagged = _any_flag(own, score(changed), thresholds)
    yield _row("by hand, between harmless ones", "flagged", flagged)


def mistakes(
    texts: Sequence[LabelledText], scores: Scores, thresholds: Thresholds
) -> Iterator[str]:
    """The texts that are flagged wrongly, or wrongly not."""
    flagged = np.any(scores >= np.array(thresholds), axis=1)
    for item, is_flagged, row in zip(texts, flagged, scores, strict=True):
        if is_flagged != item.flagged:
            name = CATEGORIES[int(row.argmax())]
            yield f"{'wrongly' if is_flagged else 'missed'} {row.max():.2f} {name}: {item.text}"


def _rows(
    name: str, texts: Sequence[LabelledText], scores: Scores, thresholds: Thresholds
) -> Iterator[str]:
    yield _row(name, "flagged", _any_flag(texts, scores, thresholds))
    for index, category in enumerate(CATEGORIES):
        known = [number for number, one in enumerate(texts) if one.labels[category] is not None]
        truths = np.array([bool(texts[number].labels[category]) for number in known])
        if truths.any():
            column = scores[known, index]
            yield _row(name, category, measured(column, column >= thresholds[index], truths))


def _any_flag(texts: Sequence[LabelledText], scores: Scores, thresholds: Thresholds) -> Measured:
    limits = np.array(thresholds)
    truths = np.array([item.flagged for item in texts])
    return measured(_odds_above(scores, limits), np.any(scores >= limits, axis=1), truths)


def _odds_above(scores: Scores, thresholds: Scores) -> Scores:
    """The highest score of each text, each as if its threshold were 0.5."""
    odds = scores / (1 - scores) * (1 - thresholds) / thresholds
    return np.asarray((odds / (1 + odds)).max(axis=1))


def _row(texts: str, category: str, found: Measured) -> str:
    figures = (found.auc, found.precision, found.recall, found.calibration)
    cells = [texts, category, str(found.yes), str(found.no), *(f"{one:.3f}" for one in figures)]
    return f"| {' | '.join(cells)} |"


def _auc(scores: Scores, truths: NDArray[np.bool_]) -> float:
    """The share of pairs of a true and another text in which the true one has the higher score."""
    others = np.sort(scores[~truths])
    below = np.searchsorted(others, scores[truths], "left")
    equal = np.searchsorted(others, scores[truths], "right") - below
    return float((below + equal / 2).mean() / len(others))


def _calibration(scores: Scores, truths: NDArray[np.bool_]) -> float:
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    distances = [
        abs(scores[bins == one].mean() - truths[bins == one].mean()) * (bins == one).sum()
        for one in range(BINS)
        if (bins == one).any()
    ]
    return float(sum(distances) / len(scores))
