"""Windows of a recording: at speech, cut at pauses, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from openedai.contract.transcribe import VoiceActivity
from openedai.engines.whisper.recording import Recording, Window
from openedai.engines.whisper.voice_activity import CHUNK, RATE, Cut, Detector

WINDOW = 30 * RATE
Samples = NDArray[np.float32]


class Loudness(Detector):
    """Takes everything loud for speech."""

    def __init__(self) -> None:
        pass

    def probabilities(self, samples: Samples) -> list[float]:
        assert len(samples) % CHUNK == 0
        return [float(chunk.max() > 0.1) for chunk in samples.reshape(-1, CHUNK)]


def audio(*parts: tuple[bool, float]) -> Samples:
    """Parts with and without speech, each with its seconds."""
    return np.concatenate(
        [np.full(round(seconds * RATE), 0.5 * loud, np.float32) for loud, seconds in parts]
    )


def recording(samples: Samples, cut: Cut | None = None, block: float = 7.0) -> Recording:
    size = round(block * RATE)
    blocks = (samples[start : start + size] for start in range(0, len(samples), size))
    return Recording(blocks, Loudness(), cut or Cut())


def windows(source: Recording) -> Iterator[Window]:
    position = 0
    while window := source.next_window(position, WINDOW):
        yield window
        position = window.end


def spans(source: Recording) -> list[tuple[float, float]]:
    """The seconds of each window, to half a second."""
    return [
        (round(2 * one.start / RATE) / 2, round(2 * one.end / RATE) / 2) for one in windows(source)
    ]


def test_silence_has_no_windows() -> None:
    source = recording(audio((False, 90)))
    assert spans(source) == []
    assert source.length == 90 * RATE


def test_nothing_at_all() -> None:
    source = recording(audio((False, 0)))
    assert spans(source) == []
    assert source.length == 0


def test_short_speech_is_one_window_with_some_silence_around() -> None:
    (window,) = windows(recording(audio((False, 50), (True, 3), (False, 40))))
    assert window.start / RATE == pytest.approx(49.6, abs=0.05)
    assert window.end / RATE == pytest.approx(53.4, abs=0.05)
    assert not window.cut
    assert (window.samples > 0.1).sum() == 3 * RATE


def test_speech_to_the_last_sample() -> None:
    samples = audio((True, 1.234))
    (window,) = windows(recording(samples))
    assert (window.start, window.end, window.cut) == (0, len(samples), False)


def test_long_speech_is_cut() -> None:
    found = list(windows(recording(audio((True, 70)))))
    assert [(one.start // RATE, one.end // RATE) for one in found] == [(0, 30), (30, 60), (60, 70)]
    assert [one.cut for one in found] == [True, True, False]


def test_a_window_has_several_sentences() -> None:
    parts = audio((True, 5), (False, 3), (True, 5), (False, 4), (True, 5), (False, 60))
    assert spans(recording(parts)) == [(0, 22.5)]


def test_a_long_pause_ends_a_window() -> None:
    parts = audio((True, 5), (False, 12), (True, 5))
    assert spans(recording(parts)) == [(0, 5.5), (16.5, 22)]


def test_parts_are_kept_whole_if_requested() -> None:
    parts = audio((True, 20), (False, 1), (True, 15), (False, 1), (True, 10))
    whole = Cut.of(VoiceActivity())
    assert spans(recording(parts)) == [(0, 30), (30, 47)]
    assert spans(recording(parts, whole)) == [(0, 20), (20.5, 47)]
    assert [one.cut for one in windows(recording(parts, whole))] == [False, False]


def test_a_part_that_is_too_long_is_cut_anyway() -> None:
    whole = Cut.of(VoiceActivity())
    found = list(windows(recording(audio((True, 40)), whole)))
    assert [one.cut for one in found] == [True, False]


def test_the_requested_pauses_and_padding() -> None:
    parts = audio((True, 2), (False, 1), (True, 2))
    activity = VoiceActivity(prefix_padding_ms=0, silence_duration_ms=500)
    source = recording(parts, Cut.of(activity))
    (window,) = windows(source)
    assert len(window.samples) == len(parts)
    cut = Cut.of(VoiceActivity(threshold=0.9, prefix_padding_ms=100, silence_duration_ms=5000))
    assert (cut.threshold, cut.before, cut.silence) == (0.9, RATE // 10, 5 * RATE)


@pytest.mark.parametrize("block", [0.01, 0.5, 10.0, 100.0])
def test_blocks_of_any_length(block: float) -> None:
    parts = audio((False, 3), (True, 2), (False, 20), (True, 2), (False, 3))
    assert spans(recording(parts, block=block)) == [(2.5, 5.5), (24.5, 27.5)]


def test_what_was_heard_is_forgotten() -> None:
    source = recording(audio((True, 200), (False, 100), (True, 100)))
    longest = 0
    for _ in windows(source):
        longest = max(longest, len(source._held))
    assert longest < WINDOW + 8 * RATE
