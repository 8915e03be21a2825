"""Sounds at another speed and rate."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from openedai.audio.tempo import at_tempo, resampled

RATE = 24_000


def tone(rate: int) -> NDArray[np.float32]:
    """Two seconds of 440 Hz."""
    return np.sin(np.arange(2 * rate) * 440 * 2 * np.pi / rate).astype(np.float32)


def frequency(samples: NDArray[np.float32], rate: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples)))) * rate / len(samples)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.5, 2.0])
def test_the_tempo_changes_the_length_and_not_the_pitch(factor: float) -> None:
    changed = at_tempo(tone(RATE), RATE, factor)
    assert len(changed) == pytest.approx(2 * RATE / factor, rel=0.03)
    assert frequency(changed, RATE) == pytest.approx(440, abs=5)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_the_rate_changes_neither(rate: int) -> None:
    changed = resampled(tone(rate), rate, RATE)
    assert len(changed) == pytest.approx(2 * RATE, abs=40)
    assert frequency(changed, RATE) == pytest.approx(440, abs=2)


def test_no_samples_are_none() -> None:
    empty = np.zeros(0, np.float32)
    assert not at_tempo(empty, RATE, 2.0).size
    assert not resampled(empty, 22_050, RATE).size
