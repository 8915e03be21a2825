"""From log probabilities to distributions, and what is said of them."""

from __future__ import annotations

import math

import pytest

from openedai.serving.deciding import Distribution, distribution


def test_probabilities_are_normalised_and_the_mass_is_told() -> None:
    found = distribution([math.log(0.6), math.log(0.2)])
    assert found.probabilities == pytest.approx((0.75, 0.25))
    assert found.mass == pytest.approx(0.8)


def test_labels_that_the_model_would_hardly_write_are_compared_all_the_same() -> None:
    found = distribution([-2000.0, -2001.0])
    assert found.probabilities == pytest.approx((1 / (1 + math.exp(-1)), 1 / (1 + math.e)))
    assert found.mass == 0.0


def test_impossible_labels() -> None:
    assert distribution([-math.inf, math.log(0.5)]) == Distribution((0.0, 1.0), 0.5)
    assert distribution([-math.inf] * 4) == Distribution((0.25,) * 4, 0.0)


def test_rounding_makes_no_mass_above_one() -> None:
    assert distribution([1e-9]).mass == 1.0


@pytest.mark.parametrize(
    ("probabilities", "confidence"),
    [((1.0,), 1.0), ((0.5, 0.5), 0.0), ((1.0, 0.0, 0.0), 1.0), ((0.6, 0.4), 0.2)],
)
def test_confidence_is_the_distance_from_equal_chances(
    probabilities: tuple[float, ...], confidence: float
) -> None:
    assert Distribution(probabilities, 1.0).confidence == pytest.approx(confidence)


def test_neighbouring_levels_are_more_certain_than_distant_ones() -> None:
    near, far = (Distribution(one, 1.0) for one in ((0.6, 0.4, 0.0), (0.6, 0.0, 0.4)))
    assert near.level_confidence == pytest.approx(0.4)
    assert far.level_confidence == 0.0
    assert near.confidence == far.confidence
    assert (near.level, far.level) == pytest.approx((0.4, 0.8))
    assert Distribution((1.0,), 1.0).level_confidence == 1.0
    assert Distribution((1 / 3,) * 3, 1.0).level_confidence == pytest.approx(0, abs=1e-9)
