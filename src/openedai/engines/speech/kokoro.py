"""Kokoro by ONNX Runtime, from the files of the kokoro-onnx project: a graph and its voices.

Its options:

    threads   threads of the computation (the cores that may be used)
    slots     texts that it speaks at once (2)
    language  what is spoken: en, es, fr, hi, it or pt (en)
    voices    other names of voices, as `name = "voice"`

English needs no other program. For other languages the user installs kokoro-onnx, which brings
espeak-ng under the GPL; it is not a dependency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Self

import msgspec

from openedai.audio.encode import SAMPLE_RATE
from openedai.audio.tempo import at_tempo
from openedai.contract.speak import Voice
from openedai.engines.machine import usable_cores
from openedai.engines.options import parse_options
from openedai.engines.speech.english import EnglishPhonemes
from openedai.engines.speech.speaker import SentenceSpeaker, Stop, Synthesizer, load_voices
from openedai.engines.speech.voices import VoiceTable, with_official_names
from openedai.errors import EngineFailed, Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]
    Styles = Mapping[str, NDArray[np.float32]]

Language = Literal["en", "es", "fr", "hi", "it", "pt"]
_LONGEST = 509  # phonemes at once: a style for each number of them, except for the two at the ends
_SLOWEST, _FASTEST = 0.5, 2.0  # of the model itself
_ESPEAK: dict[Language, str] = {"es": "es", "fr": "fr-fr", "hi": "hi", "it": "it", "pt": "pt-br"}
PREFERRED = {
    "alloy": "af_alloy",
    "ash": "am_michael",
    "ballad": "bm_george",
    "coral": "af_bella",
    "echo": "am_echo",
    "fable": "bm_fable",
    "onyx": "am_onyx",
    "nova": "af_nova",
    "sage": "af_sarah",
    "shimmer": "af_sky",
    "verse": "am_puck",
    "marin": "af_heart",
    "cedar": "am_fenrir",
}


class KokoroOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model; the module's docstring explains them."""

    threads: Annotated[int, msgspec.Meta(ge=1)] | None = None
    slots: Annotated[int, msgspec.Meta(ge=1)] = 2
    language: Language = "en"
    voices: dict[str, str] = {}


class Kokoro(SentenceSpeaker):
    """Made by `load`."""

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        known = parse_options(KokoroOptions, model, options)
        synthesizer = await load_voices(model, path, lambda folder: KokoroVoices(folder, known))
        return cls(model, synthesizer, known.slots)


class Phonemes(Protocol):
    """Turns sentences into the ids of their phonemes."""

    def ids(self, text: str) -> list[int]: ...


class KokoroVoices(Synthesizer):
    first = 100
    longest = 200

    def __init__(self, folder: Path, options: KokoroOptions) -> None:
        self._styles = _styles(folder)
        table = voice_table(self._styles, options)
        super().__init__(table, latin_only=options.language != "hi")
        self._phonemes = _phonemes(options.language)
        self._session = _session(folder, options.threads or usable_cores())
        self._tokens_name = self._session.get_inputs()[0].name

    def say(self, text: str, voice: str, speed: float, stop: Stop) -> Samples:
        import numpy as np

        own = min(max(speed, _SLOWEST), _FASTEST)
        ids = self._phonemes(voice).ids(text)
        starts = range(0, len(ids), _LONGEST)
        spoken = [self._spoken(ids[at : at + _LONGEST], voice, own, stop) for at in starts]
        samples = np.concatenate(spoken) if spoken else np.zeros(0, np.float32)
        return at_tempo(samples, SAMPLE_RATE, speed / own)

    def _spoken(self, ids: list[int], voice: str, speed: float, stop: Stop) -> Samples:
        import numpy as np
        import onnxruntime

        styles = self._styles[voice]
        feeds = {
            self._tokens_name: np.array([[0, *ids, 0]], np.int64),
            "style": styles[min(len(ids), len(styles) - 1)].reshape(1, -1),
            "speed": np.array([speed], np.float32),
        }
        run = onnxruntime.RunOptions()
        stop.then(lambda: setattr(run, "terminate", True))
        try:
            (samples, *_) = self._session.run(None, feeds, run)
        except Exception as error:  # ONNX Runtime's own errors share no other base class
            raise EngineFailed(f"ONNX Runtime failed: {error}") from error
        return np.asarray(samples, np.float32).ravel()


def voice_table(names: Iterable[str], options: KokoroOptions) -> VoiceTable:
    """The voices. All speak the language of the options, whatever language they were made for."""
    voices = [Voice(name=name, languages=(options.language,)) for name in sorted(names)]
    return with_official_names(voices, PREFERRED, options.voices)


class EspeakPhonemes:
    """The phonemes of espeak-ng, by the package that the user installed."""

    def __init__(self, language: str) -> None:
        try:
            from kokoro_onnx.tokenizer import Tokenizer
        except ImportError as error:
            raise Unavailable(
                "Languages other than English need the package kokoro-onnx: "
                "pip install kokoro-onnx."
            ) from error
        self._language = language
        self._tokenizer: Any = Tokenizer()

    def ids(self, text: str) -> list[int]:
        phonemes = self._tokenizer.phonemize(text, self._language)
        return list(self._tokenizer.tokenize(phonemes, None))


def _phonemes(language: Language) -> Any:
    """A function from the name of a voice to what makes its phonemes."""
    if language != "en":
        other = EspeakPhonemes(_ESPEAK[language])
        return lambda voice: other
    american = EnglishPhonemes()
    made: dict[bool, Phonemes] = {False: american}

    def english(voice: str) -> Phonemes:
        british = voice.startswith("b")
        if british not in made:
            made[british] = EnglishPhonemes(british=True)
        return made[british]

    return english


def _styles(folder: Path) -> Styles:
    """The styles of each voice in a file of voices, each of shape [phonemes, 256]. Raises
    EngineFailed.
    """
    import numpy as np

    files = sorted((*folder.glob("*.npz"), *folder.glob("*.bin")))
    if not files:
        raise EngineFailed("There is no file of voices (.npz or .bin) among its files.")
    try:
        with np.load(files[0], allow_pickle=False) as archive:
            return {name: archive[name].astype(np.float32) for name in archive.files}
    except (OSError, ValueError, AttributeError) as error:
        raise EngineFailed(f"{files[0].name} is no file of voices.") from error


def _session(folder: Path, threads: int) -> Any:
    import onnxruntime

    files = sorted(folder.glob("*.onnx"))
    if not files:
        raise EngineFailed("There is no .onnx file among its files.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads are faster within a run; after it, they would take the cores from others.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(files[0]), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime's own errors share no other base class
        raise EngineFailed(f"ONNX Runtime cannot load its graph: {error}") from error
