"""The audio of one request, read as needed and forgotten once it is transcribed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openedai.engines.whisper.voice_activity import CHUNK, RATE, Cut, Detector, SpeechParts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

_LONGEST_GAP = 8 * RATE  # silence within a window


@dataclass(frozen=True)
class Window:
    """A part of the audio that the model hears at once, beginning at the sample `start`.

    `cut` is whether somebody continues to speak after its end.
    """

    samples: Samples
    start: int
    cut: bool

    @property
    def end(self) -> int:
        return self.start + len(self.samples)


class Recording:
    def __init__(self, blocks: Iterator[Samples], detector: Detector, cut: Cut) -> None:
        """`blocks` are the samples in their order."""
        import numpy as np

        self._blocks = blocks
        self._detector = detector
        self._whole = cut.whole
        self._speech = SpeechParts(cut)
        self._held = np.zeros(0, np.float32)
        self._first = 0  # the position of the first sample that is held
        self._heard = 0  # the samples that the detector got
        self._ended = False

    @property
    def length(self) -> int:
        """The number of samples that were read; all of them, once there are no more windows."""
        return self._first + len(self._held)

    def next_window(self, position: int, longest: int) -> Window | None:
        """A window of at most `longest` samples with the next speech after `position`.

        None if there is no more speech. What comes before the window is forgotten.
        """
        start = self._next_speech(position)
        if start is None:
            return None
        self._forget(start)
        while not self._ended and self.length < start + longest:
            self._read()
        end, cut = self._end(min(start + longest, self.length))
        return Window(self._held[start - self._first : end - self._first], start, cut)

    def _next_speech(self, position: int) -> int | None:
        while True:
            self._speech.forget(position)
            if self._speech.parts:
                return max(position, self._speech.parts[0].start)
            if self._ended:
                return None
            self._forget(self._speech.earliest_start)
            self._read()

    def _end(self, limit: int) -> tuple[int, bool]:
        """Where a window ends that may extend to the limit, and whether that is within speech."""
        ends: list[int] = []
        for part in self._speech.parts:
            end = limit + 1 if part.end is None else part.end
            apart = bool(ends) and part.start - ends[-1] > _LONGEST_GAP
            divided = bool(ends) and self._whole and end > limit
            if part.start >= limit or apart or divided:
                break
            ends.append(end)
        return min(ends[-1], limit), ends[-1] > limit

    def _read(self) -> None:
        import numpy as np

        block = next(self._blocks, None)
        if block is None:
            self._ended = True
            rest = self._held[self._heard - self._first :]
            self._hear(np.pad(rest, (0, -len(rest) % CHUNK)))
            self._speech.end(self.length)
            return
        self._held = np.concatenate([self._held, block])
        ready = (self.length - self._heard) // CHUNK * CHUNK
        self._hear(self._held[self._heard - self._first :][:ready])

    def _hear(self, samples: Samples) -> None:
        if len(samples):
            self._speech.feed(self._detector.probabilities(samples))
            self._heard += len(samples)

    def _forget(self, position: int) -> None:
        """Release the samples before a position, as far as the detector has heard them."""
        position = min(position, self._heard)
        if position > self._first:
            self._held = self._held[position - self._first :].copy()
            self._first = position
