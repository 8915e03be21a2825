"""Training and measuring, on made-up embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from moderation.report import measured
from moderation.texts import LabelledText, labels_of
from moderation.training import trained
from numpy.typing import NDArray

from openedai.contract.moderate import CATEGORIES
from openedai.engines.moderation.heads import Heads, written_heads

LABELS = ("none", "hate", "violence", "sexual", "self-harm")
DIMENSIONS = 16


def made_up(count: int, seed: int) -> tuple[list[LabelledText], NDArray[np.float32]]:
    """Texts whose label is in their vector, with noise."""
    chooser = np.random.default_rng(seed)
    labels = [LABELS[number % len(LABELS)] for number in range(count)]
    vectors = chooser.normal(0, 0.2, (count, DIMENSIONS)).astype(np.float32)
    for vector, label in zip(vectors, labels, strict=True):
        vector[LABELS.index(label)] += 1
    texts = [
        LabelledText(f"{label} {number}", labels_of(label), "made up", f"group {number}")
        for number, label in enumerate(labels)
    ]
    return texts, vectors


@pytest.fixture(scope="module")
def heads() -> Heads:
    return trained(*made_up(1500, 0))


def test_the_same_texts_give_the_same_heads(heads: Heads) -> None:
    assert written_heads(trained(*made_up(1500, 0))) == written_heads(heads)


def test_what_is_in_the_vectors_is_learned(heads: Heads) -> None:
    texts, vectors = made_up(500, 1)
    scores = heads.probabilities(vectors).astype(np.float64)
    for name in LABELS[1:]:
        index = CATEGORIES.index(name)
        truths = np.array([bool(one.labels[name]) for one in texts])
        found = measured(scores[:, index], scores[:, index] >= heads.thresholds[index], truths)
        assert found.auc > 0.97
        assert found.precision > 0.85
        assert found.recall > 0.75
        assert found.calibration < 0.1


def test_what_is_measured() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.1])
    truths = np.array([True, False, True, False])
    found = measured(scores, scores >= 0.5, truths)
    assert (found.yes, found.no) == (2, 2)
    assert found.auc == 0.75
    assert (found.precision, found.recall) == (0.5, 0.5)
    assert found.calibration == pytest.approx((0.1 + 0.8 + 0.7 + 0.1) / 4)
