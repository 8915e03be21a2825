"""What the speech engines have in common: they speak a text's sentences into a file, one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openedai.audio.encode import SAMPLE_RATE, open_encoder
from openedai.contract.engine import Speaker
from openedai.contract.speak import AudioChunk, SpeakEvent, SpeakFinish, SpeakRequest, Voice
from openedai.engines.options import weights_path
from openedai.engines.speech.clean import nothing_to_speak, spoken_text
from openedai.engines.speech.sentences import Sentence, sentences
from openedai.engines.speech.voices import VoiceTable
from openedai.errors import APIError, Unsupported

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

LOUDNESS = 0.09  # root mean square of speech, of 1.0
_SILENT = 0.01
_LARGEST_GAIN = 4.0
_PEAK = 0.97
_SILENCE_BEFORE, _SILENCE_AFTER = 0.03, 0.06  # seconds that are kept of a sentence's own silence


class Stop:
    """Tells the computation of a sentence that nobody is waiting for it any more. Thread-safe."""

    def __init__(self) -> None:
        self.is_set = False
        self._action: Callable[[], None] | None = None

    def set(self) -> None:
        self.is_set = True
        if self._action is not None:
            self._action()

    def then(self, action: Callable[[], None]) -> None:
        """Call this when it is set, or now if it is."""
        self._action = action
        if self.is_set:
            action()


class Synthesizer:
    """A loaded voice model. Blocking; `say` may be called from several threads at once.

    `first` and `longest` are the most characters of the first and of any sentence, `latin_only`
    whether the voices read no other script.
    """

    first = 200
    longest = 300

    def __init__(self, voices: VoiceTable, *, latin_only: bool) -> None:
        self.voices = voices
        self.latin_only = latin_only

    def say(self, text: str, voice: str, speed: float, stop: Stop) -> Samples:
        """One sentence, spoken at 24,000 samples a second; empty if it has no sounds."""
        raise NotImplementedError


async def load_voices(
    model: str, path: Path | None, load: Callable[[Path], Synthesizer]
) -> Synthesizer:
    """Call `load` with the path of the weights, in a thread. Returns its result. Raises an APIError
    that names the model.
    """
    weights = weights_path(model, path)
    try:
        return await asyncio.to_thread(load, weights)
    except APIError as error:
        error.template = f"The model `{model}` cannot be loaded. {error.template}"
        raise


class SentenceSpeaker(Speaker):
    """Speaks with a synthesizer, several texts at once."""

    def __init__(self, model: str, synthesizer: Synthesizer, slots: int) -> None:
        self.model = model
        self.slots = slots
        self._synthesizer = synthesizer
        self._sentences = 0

    def progress(self) -> int:
        return self._sentences

    async def voices(self) -> tuple[Voice, ...]:
        return self._synthesizer.voices.voices

    async def speak(self, request: SpeakRequest) -> AsyncGenerator[SpeakEvent, None]:
        if request.instructions and not request.instructions.isspace():
            raise Unsupported(
                f"The model `{self.model}` does not support instructions.",
                code="unsupported_parameter",
                param="instructions",
            )
        voice = self._synthesizer.voices.find(request.voice)
        parts = await asyncio.to_thread(self._divide, request.text)
        encoder = await asyncio.to_thread(open_encoder, request.format)
        stop = Stop()
        length = 0
        try:
            for part in parts:
                spoken = await asyncio.to_thread(self._say, part, voice, request.speed, stop)
                self._sentences += 1
                length += len(spoken)
                if spoken.size and (data := await asyncio.to_thread(encoder.encode, spoken)):
                    yield AudioChunk(data=data)
        finally:
            stop.set()
        if length == 0:
            raise nothing_to_speak()
        if data := await asyncio.to_thread(encoder.finish):
            yield AudioChunk(data=data)
        yield SpeakFinish(duration=length / SAMPLE_RATE)

    def _divide(self, text: str) -> Sequence[Sentence]:
        spoken = spoken_text(text, latin_only=self._synthesizer.latin_only)
        first, longest = self._synthesizer.first, self._synthesizer.longest
        return list(sentences(spoken, first=first, longest=longest))

    def _say(self, part: Sentence, voice: str, speed: float, stop: Stop) -> Samples:
        """The sentence and its pause; empty if it has no sounds."""
        import numpy as np

        samples = _trimmed(self._synthesizer.say(part.text, voice, speed, stop))
        if not samples.size:
            return samples
        pause = np.zeros(round(part.pause / speed * SAMPLE_RATE), np.float32)
        return np.concatenate([_levelled(samples), pause])


def _trimmed(samples: Samples) -> Samples:
    """The sentence with hardly any silence around it; empty if it is all silence."""
    import numpy as np

    sounds = np.flatnonzero(np.abs(samples) > _SILENT)
    if not sounds.size:
        return samples[:0]
    start = max(0, int(sounds[0]) - round(_SILENCE_BEFORE * SAMPLE_RATE))
    return samples[start : int(sounds[-1]) + round(_SILENCE_AFTER * SAMPLE_RATE)]


def _levelled(samples: Samples) -> Samples:
    """The sentence as loud as any other."""
    import numpy as np

    sounds = samples[np.abs(samples) > _SILENT]
    loudness = float(np.sqrt(np.mean(np.square(sounds)))) if sounds.size else 1.0
    gain = min(LOUDNESS / loudness, _LARGEST_GAIN, _PEAK / float(np.abs(samples).max()))
    return samples * np.float32(gain)
