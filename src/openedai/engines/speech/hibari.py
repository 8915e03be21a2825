"""The small voice of the hibari-tts package, and others that are made from it. English.

Its options:

    slots    texts that it speaks at once (4)
    voices   more voices, or other ones for the names that it has: `pitch` and `size` of each

The model gives a spectrum and a pitch for each 12.5 ms. Changing them before they become sound
gives other voices and speeds, which are understood as well as the model's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec

from openedai.contract.speak import Voice
from openedai.engines.options import parse_options
from openedai.engines.speech.english import EnglishPhonemes
from openedai.engines.speech.speaker import SentenceSpeaker, Stop, Synthesizer
from openedai.engines.speech.voices import VoiceTable
from openedai.errors import EngineFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frames = NDArray[np.float32]
    Samples = NDArray[np.float32]

_VOICED = 40.0  # Hz; frames below have no pitch
_LONGEST = 450  # phonemes at once
Factor = Annotated[float, msgspec.Meta(ge=0.4, le=2.5)]


class Tone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A voice made from the model's own: the factors of its pitch and of the speaker's size.

    A `melody` below 1.0 makes the pitch more even, one above makes it livelier.
    """

    pitch: Factor = 1.0
    size: Factor = 1.0
    melody: Factor = 1.0


TONES = {
    "heart": Tone(),
    "alloy": Tone(pitch=0.85, size=1.04),
    "ash": Tone(pitch=0.6, size=1.13),
    "ballad": Tone(pitch=0.65, size=1.1, melody=1.2),
    "coral": Tone(pitch=1.1, size=0.98, melody=1.1),
    "echo": Tone(pitch=0.56, size=1.16),
    "fable": Tone(pitch=0.78, size=1.06, melody=1.25),
    "onyx": Tone(pitch=0.5, size=1.2, melody=0.9),
    "nova": Tone(pitch=1.18, size=0.95, melody=1.15),
    "sage": Tone(pitch=0.94, size=1.0, melody=0.8),
    "shimmer": Tone(pitch=1.25, size=0.92),
    "verse": Tone(pitch=0.7, size=1.08),
    "marin": Tone(pitch=1.0, size=0.97, melody=1.2),
    "cedar": Tone(pitch=0.53, size=1.14, melody=1.15),
}


class HibariOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model; the module's docstring explains them."""

    slots: Annotated[int, msgspec.Meta(ge=1)] = 4
    voices: dict[str, Tone] = {}


class Hibari(SentenceSpeaker):
    """Made by `load`."""

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        known = parse_options(HibariOptions, model, options)
        synthesizer = await asyncio.to_thread(HibariVoices, {**TONES, **known.voices})
        return cls(model, synthesizer, known.slots)


class HibariVoices(Synthesizer):
    def __init__(self, tones: Mapping[str, Tone]) -> None:
        voices = [Voice(name=name, languages=("en",)) for name in tones]
        super().__init__(VoiceTable(voices), latin_only=True)
        self._tones = tones
        self._english = EnglishPhonemes()
        self._session = _session()

    def say(self, text: str, voice: str, speed: float, stop: Stop) -> Samples:
        import numpy as np

        ids = self._english.ids(text)
        starts = range(0, len(ids), _LONGEST)
        spoken = [self._spoken(ids[at : at + _LONGEST], voice, speed) for at in starts]
        return np.concatenate(spoken) if spoken else np.zeros(0, np.float32)

    def _spoken(self, ids: list[int], voice: str, speed: float) -> Samples:
        import numpy as np
        from hibari import dsp

        feeds = {
            "ids": np.array([[0, *ids, 0]], np.int64),
            "speed": np.ones(1, np.float32),
        }
        try:
            *spectra, pitch = (output[0] for output in self._session.run(None, feeds))
        except Exception as error:  # ONNX Runtime's own errors share no other base class
            raise EngineFailed(f"ONNX Runtime failed: {error}") from error
        tone = self._tones[voice]
        spectra = [_resized(_at_speed(one, speed), tone.size) for one in spectra]
        pitch = _pitched(_at_speed(pitch, speed), tone)
        # With the same seed, the same text always sounds the same.
        samples: Samples = dsp.synth(*spectra, pitch, np.random.default_rng(0))
        return samples


def _session() -> Any:
    import hibari
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = (resources.files(hibari) / "assets" / "hibari.onnx").read_bytes()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _at_speed(frames: Frames, speed: float) -> Frames:
    """The frames at every `speed`th position of the last axis: fewer or more of them."""
    import numpy as np

    if speed == 1.0:
        return frames
    count = frames.shape[-1]
    indices = np.arange(0, count, speed).astype(np.int64).clip(max=count - 1)
    return np.take(frames, indices, axis=-1)


def _resized(spectrum: Frames, size: float) -> Frames:
    """The spectrum of a larger or smaller speaker: [bins, frames], moved along the bins."""
    import numpy as np

    if size == 1.0:
        return spectrum
    bins = len(spectrum)
    indices = np.rint(np.arange(bins) * size).astype(np.int64).clip(max=bins - 1)
    moved: Frames = spectrum.take(indices, axis=0)
    return moved


def _pitched(pitch: Frames, tone: Tone) -> Frames:
    """The pitch in Hz of each frame, for the tone; 0 where there is none."""
    import numpy as np

    voiced = pitch > _VOICED
    if not voiced.any():
        return pitch
    middle = np.exp(np.log(pitch[voiced]).mean())
    moved = tone.pitch * middle * (np.maximum(pitch, 1) / middle) ** tone.melody
    heard: Frames = np.where(voiced, np.maximum(moved, _VOICED + 1), 0).astype(np.float32)
    return heard
