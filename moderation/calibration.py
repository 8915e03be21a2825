"""Log odds that are those of calibrated probabilities, and thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.texts import LabelledText
from openedai.contract.moderate import CATEGORIES
from openedai.engines.moderation.classifier import Classifier

# How much categories with few texts are drawn to the scale and the shift of all.
RIDGE = 4.0
# A threshold has the best F-measure, in which precision counts more, within these bounds.
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.2, 0.6
BETA = 0.7
Array = NDArray[np.float64]


def calibrated(
    tensors: Mapping[str, NDArray[np.float32]], log_odds: Array, texts: Sequence[LabelledText]
) -> Classifier:
    """A classifier of these tensors whose log odds for the texts, [texts, categories], were those:
    it has others, and thresholds.
    """
    known = np.array([[item.labels[name] is not None for name in CATEGORIES] for item in texts])
    truths = np.array([[bool(item.labels[name]) for name in CATEGORIES] for item in texts])
    together = fitted_line(log_odds[known], truths[known], (1.0, 0.0), 0.0)
    lines = [
        fitted_line(log_odds[rows, index], truths[rows, index], together, RIDGE)
        for index, rows in enumerate(known.T)
    ]
    scales, shifts = np.array(lines).T
    probabilities = 1 / (1 + np.exp(-(log_odds * scales + shifts)))
    thresholds = [
        threshold(probabilities[rows, index], truths[rows, index])
        for index, rows in enumerate(known.T)
    ]
    changed: Mapping[str, NDArray[Any]] = {
        "output.weight": tensors["output.weight"] * scales,
        "output.bias": tensors["output.bias"] * scales + shifts,
    }
    return Classifier(_rounded(dict(tensors) | dict(changed)), tuple(thresholds))


def fitted_line(
    log_odds: Array, truths: NDArray[np.bool_], towards: tuple[float, float], ridge: float
) -> tuple[float, float]:
    """The scale and the shift that make log odds those of calibrated probabilities."""
    target = truths.astype(np.float64)
    start = np.array(towards)
    line = start.copy()
    inputs = np.stack([log_odds, np.ones_like(log_odds)])
    for _ in range(100):
        p = 1 / (1 + np.exp(-(line @ inputs)))
        gradient = inputs @ (p - target) + ridge * (line - start)
        slope = (inputs * (p * (1 - p))) @ inputs.T + (ridge + 1e-3) * np.eye(2)
        line = line - np.linalg.solve(slope, gradient)
    return max(float(line[0]), 0.1), float(line[1])


def threshold(probabilities: Array, truths: NDArray[np.bool_]) -> float:
    """The one with the best F-measure on these texts; the middle one of several."""
    best: list[float] = []
    highest = -1.0
    for candidate in np.arange(LOWEST_THRESHOLD, HIGHEST_THRESHOLD + 0.01, 0.02):
        flagged = probabilities >= candidate
        right = float((flagged & truths).sum())
        measure = (1 + BETA**2) * right / max(1.0, flagged.sum() + BETA**2 * truths.sum())
        if measure > highest + 1e-9:
            best, highest = [], measure
        if measure >= highest - 1e-9:
            best.append(float(candidate))
    return round(best[len(best) // 2], 2)


def _rounded(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """As the file will have them."""
    return {
        name: values.astype(np.float16 if values.ndim == 2 else np.float32).astype(np.float32)
        for name, values in tensors.items()
    }
