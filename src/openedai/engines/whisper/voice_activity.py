"""Finds speech in audio, with Silero's detector, whose weights come with faster-whisper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openedai.contract.transcribe import VoiceActivity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = 16_000
CHUNK = 512  # samples for each probability
_CONTEXT = 64  # samples before a chunk that the detector also sees
_STATE = (1, 1, 128)
_HYSTERESIS = 0.15  # how far below the threshold a probability has to be to end speech
_LOUD = 0.3  # the peak that quiet audio is raised to
_MOST_GAIN = 30.0
_MODEL = "assets/silero_vad_v6.onnx"


@dataclass(frozen=True)
class Cut:
    """What counts as a pause. `threshold` is a probability; `before` and `after` are the samples
    kept around speech, `silence` those that end it.

    `whole` keeps each part between two pauses in one window, if it fits.
    """

    threshold: float = 0.4
    before: int = RATE * 4 // 10
    after: int = RATE * 4 // 10
    silence: int = RATE * 2
    whole: bool = False

    @classmethod
    def of(cls, requested: VoiceActivity | None) -> Cut:
        if requested is None:
            return cls()
        padding = 300 if requested.prefix_padding_ms is None else requested.prefix_padding_ms
        silence = 200 if requested.silence_duration_ms is None else requested.silence_duration_ms
        return cls(
            threshold=0.5 if requested.threshold is None else requested.threshold,
            before=padding * RATE // 1000,
            after=min(silence * RATE // 1000, cls.after),
            silence=silence * RATE // 1000,
            whole=True,
        )


@dataclass
class Speech:
    """A part of the audio in which somebody speaks, in samples; `end` None while it goes on."""

    start: int
    end: int | None = None


class Detector:
    """Computes the probability of speech in one audio, chunk by chunk."""

    def __init__(self, session: Any) -> None:
        import numpy as np

        self._session = session
        self._state = (np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32))
        self._before = np.zeros(_CONTEXT, np.float32)

    def probabilities(self, samples: Samples) -> list[float]:
        """A probability for each chunk of the next samples, whose number is a multiple of
        `CHUNK`.
        """
        import numpy as np

        peak = float(np.abs(samples).max(initial=0.0))
        samples = samples * min(_MOST_GAIN, max(1.0, _LOUD / max(peak, 1e-6)))
        joined = np.concatenate([self._before, samples]).astype(np.float32)
        self._before = joined[-_CONTEXT:]
        rows = np.lib.stride_tricks.sliding_window_view(joined, _CONTEXT + CHUNK)[::CHUNK]
        h, c = self._state
        feeds = {"input": np.ascontiguousarray(rows), "h": h, "c": c}
        found, h, c = self._session.run(None, feeds)
        self._state = (h, c)
        return [float(one) for one in found]


class SpeechParts:
    """The parts with speech, as far as the audio has been read."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._position = 0
        self._quiet_since: int | None = None
        self.parts: list[Speech] = []

    @property
    def earliest_start(self) -> int:
        """No part that is still unknown begins before this sample."""
        return max(0, self._position - self._cut.before)

    def feed(self, probabilities: Iterable[float]) -> None:
        for probability in probabilities:
            self._add(probability)
            self._position += CHUNK

    def end(self, length: int) -> None:
        """Note that the audio has ended after this many samples."""
        for part in self.parts:
            part.end = length if part.end is None else min(part.end, length)

    def forget(self, position: int) -> None:
        """Drop the parts that end before this sample."""
        self.parts = [part for part in self.parts if part.end is None or part.end > position]

    def _add(self, probability: float) -> None:
        going_on = bool(self.parts) and self.parts[-1].end is None
        if probability >= self._cut.threshold:
            self._quiet_since = None
            if not going_on:
                self.parts.append(Speech(max(self._last_end(), self.earliest_start)))
        elif going_on and probability < self._cut.threshold - _HYSTERESIS:
            if self._quiet_since is None:
                self._quiet_since = self._position
            if self._position - self._quiet_since >= self._cut.silence:
                self.parts[-1].end = self._quiet_since + self._cut.after
                self._quiet_since = None

    def _last_end(self) -> int:
        return (self.parts[-1].end or 0) if self.parts else 0


def load_detector() -> Any:
    """The session that all detectors share."""
    import faster_whisper
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    path = Path(faster_whisper.__file__).parent / _MODEL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
