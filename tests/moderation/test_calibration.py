"""Calibration, thresholds, and what is measured."""

from __future__ import annotations

import numpy as np
import pytest
from moderation.calibration import calibrated, fitted_line, threshold
from moderation.report import measured
from moderation.texts import LabelledText, labels_of

from openedai.contract.moderate import CATEGORIES

COUNT = 4000
HATE = CATEGORIES.index("hate")


def made_up() -> tuple[np.ndarray, np.ndarray]:
    """Log odds that are twice too far from those of the truths, and 1 too high; and the truths."""
    chooser = np.random.default_rng(0)
    real = chooser.normal(-1, 2, COUNT)
    truths = chooser.random(COUNT) < 1 / (1 + np.exp(-real))
    return 2 * real + 1, truths


def test_probabilities_become_the_share_of_truths() -> None:
    log_odds, truths = made_up()
    scale, shift = fitted_line(log_odds, truths, (1.0, 0.0), 0.0)
    assert scale == pytest.approx(0.5, abs=0.05)
    assert shift == pytest.approx(-0.5, abs=0.1)


def test_few_texts_are_drawn_to_what_is_given() -> None:
    log_odds, truths = made_up()
    far = fitted_line(log_odds[:6], truths[:6], (3.0, 2.0), 1000.0)
    assert far == pytest.approx((3.0, 2.0), abs=0.05)


def test_no_truths_at_all_give_numbers() -> None:
    scale, shift = fitted_line(np.linspace(-5, 5, 50), np.zeros(50, bool), (1.0, 0.0), 4.0)
    assert scale >= 0.1
    assert -10 < shift < 0


def test_a_threshold_divides_what_can_be_divided() -> None:
    probabilities = np.array([0.05, 0.1, 0.3, 0.5, 0.7, 0.9])
    truths = probabilities > 0.4
    assert 0.3 < threshold(probabilities, truths) <= 0.5


def test_a_classifier_has_what_was_fitted() -> None:
    log_odds, truths = made_up()
    texts = [
        LabelledText(str(number), labels_of("hate" if truth else "none"), "made up", str(number))
        for number, truth in enumerate(truths)
    ]
    odds = np.full((COUNT, len(CATEGORIES)), -9.0)
    odds[:, HATE] = log_odds
    tensors = {
        "hidden.weight": np.full((2, 3), 0.123456, np.float32),
        "output.weight": np.ones((3, len(CATEGORIES)), np.float32),
        "output.bias": np.zeros(len(CATEGORIES), np.float32),
    }
    found = calibrated(tensors, odds, texts)
    assert found.tensors["output.weight"][0, HATE] == pytest.approx(0.5, abs=0.05)
    assert found.tensors["output.bias"][HATE] == pytest.approx(-0.5, abs=0.1)
    assert found.tensors["hidden.weight"][0, 0] == np.float32(np.float16(0.123456))
    assert 0.2 <= found.thresholds[HATE] <= 0.62


def test_what_is_measured() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.1])
    truths = np.array([True, False, True, False])
    found = measured(scores, scores >= 0.5, truths)
    assert (found.yes, found.no) == (2, 2)
    assert found.auc == 0.75
    assert (found.precision, found.recall) == (0.5, 0.5)
    assert found.calibration == pytest.approx((0.1 + 0.8 + 0.7 + 0.1) / 4)
