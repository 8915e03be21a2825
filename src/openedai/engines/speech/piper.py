"""Piper's voices, with the package piper-tts. The user installs it: it is under the GPL, and so is
never a dependency.

Its options:

    slots     texts that it speaks at once (2)
    voices    other names of voices, as `name = "voice"`

Each `.onnx` file with its `.onnx.json` in the folder is a voice, or several if it has speakers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec

from openedai.audio.encode import SAMPLE_RATE
from openedai.audio.languages import code_of
from openedai.audio.tempo import at_tempo, resampled
from openedai.contract.speak import Voice
from openedai.engines.options import parse_options
from openedai.engines.speech.speaker import SentenceSpeaker, Stop, Synthesizer, load_voices
from openedai.engines.speech.voices import with_official_names
from openedai.errors import EngineFailed, Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

_SLOWEST, _FASTEST = 0.5, 2.0  # of the model itself
# Languages in Latin letters; in these, espeak reads letters of other scripts one by one.
_OTHER_SCRIPTS = frozenset({"ar", "bg", "el", "fa", "he", "hi", "ja", "ka", "kk", "ml", "ne", "ru"})
_OTHER_SCRIPTS |= {"sr", "te", "th", "uk", "ur", "zh"}


class PiperOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model; the module's docstring explains them."""

    slots: Annotated[int, msgspec.Meta(ge=1)] = 2
    voices: dict[str, str] = {}


class Piper(SentenceSpeaker):
    """Made by `load`."""

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        known = parse_options(PiperOptions, model, options)
        synthesizer = await load_voices(model, path, lambda folder: PiperVoices(folder, known))
        return cls(model, synthesizer, known.slots)


@dataclass(frozen=True)
class PiperSpeaker:
    """One speaker in a file of weights; the number is None if the file has only one."""

    weights: Path
    language: str
    number: int | None


class PiperVoices(Synthesizer):
    def __init__(self, folder: Path, options: PiperOptions) -> None:
        try:
            import piper
        except ImportError as error:
            raise Unavailable(
                "Piper is not installed: pip install piper-tts. It is under the GPL."
            ) from error
        self._piper: Any = piper
        self._speakers = _speakers(folder)
        voices = [
            Voice(name=name, languages=(one.language,)) for name, one in self._speakers.items()
        ]
        table = with_official_names(voices, {}, options.voices)
        languages = {one.language for one in self._speakers.values()}
        super().__init__(table, latin_only=not languages & _OTHER_SCRIPTS)
        self._loaded: dict[Path, Any] = {}
        self._lock = threading.Lock()  # espeak has one state for all threads
        self._voice(next(iter(self._speakers.values())).weights)

    def say(self, text: str, voice: str, speed: float, stop: Stop) -> Samples:
        import numpy as np

        speaker = self._speakers[voice]
        own = min(max(speed, _SLOWEST), _FASTEST)
        try:
            model = self._voice(speaker.weights)
            with self._lock:
                sentences = model.phonemize(text)
            scale = model.config.length_scale / own
            config = self._piper.SynthesisConfig(speaker_id=speaker.number, length_scale=scale)
            spoken = [
                np.asarray(model.phoneme_ids_to_audio(model.phonemes_to_ids(one), config))
                for one in sentences
                if one and not stop.is_set
            ]
        except Exception as error:  # a text may lead to any error in it
            raise EngineFailed(f"Piper failed: {error}") from error
        if not spoken:
            return np.zeros(0, np.float32)
        samples = np.concatenate([one.ravel() for one in spoken]).astype(np.float32)
        samples = resampled(samples, model.config.sample_rate, SAMPLE_RATE)
        return at_tempo(samples, SAMPLE_RATE, speed / own)

    def _voice(self, weights: Path) -> Any:
        """The loaded file of weights."""
        with self._lock:
            if weights not in self._loaded:
                self._loaded[weights] = self._piper.PiperVoice.load(weights)
            return self._loaded[weights]


def _language(config: Any) -> str:
    """The language that a voice's file gives; older files have only espeak's name for it."""
    stated = config["language"]["family"] if "language" in config else config["espeak"]["voice"]
    return code_of(stated) or str(stated)


def _speakers(folder: Path) -> dict[str, PiperSpeaker]:
    """The speakers of all files in the folder, by the names of the voices. Raises EngineFailed."""
    found: dict[str, PiperSpeaker] = {}
    for weights in sorted(folder.glob("*.onnx")):
        try:
            config = json.loads(weights.with_name(f"{weights.name}.json").read_text("utf-8"))
            language = _language(config)
            speakers: dict[str, int] = config.get("speaker_id_map") or {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise EngineFailed(f"{weights.name}.json cannot be read.") from error
        if len(speakers) > 1:
            named = {f"{weights.stem}:{name}": number for name, number in speakers.items()}
            found |= {name: PiperSpeaker(weights, language, n) for name, n in named.items()}
        else:
            found[weights.stem] = PiperSpeaker(weights, language, None)
    if not found:
        raise EngineFailed("There is no .onnx file among its files.")
    return found
