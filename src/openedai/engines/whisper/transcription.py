"""The transcription of one audio file, window by window."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from openedai.audio.decode import decode
from openedai.contract.generate import TokenLogprob
from openedai.contract.transcribe import (
    TranscribeEvent,
    TranscribeRequest,
    TranscriptDelta,
    TranscriptFinish,
    TranscriptSegment,
)
from openedai.engines.whisper.decoding import FRAME, TEMPERATURES, Context, Decoder, Segment
from openedai.engines.whisper.languages import LanguageChoice
from openedai.engines.whisper.recording import Recording, Window
from openedai.engines.whisper.voice_activity import RATE, Cut, Detector
from openedai.errors import InvalidRequest

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

WINDOW = 30 * RATE
FIRST_OF_STREAM = 10 * RATE  # so that its text comes early
_SHORTEST = 0.1  # seconds
_MOST_KEYWORD_TOKENS = 100


@dataclass(frozen=True)
class Loaded:
    """A loaded model. `detector` is the session of the voice activity detector."""

    name: str
    whisper: WhisperModel
    detector: Any
    beam: int
    longest: float


class Transcription:
    """Blocking; used by one thread at a time."""

    def __init__(
        self, model: Loaded, request: TranscribeRequest, stopped: Callable[[], bool]
    ) -> None:
        """Raises InvalidRequest and Unsupported for what the model does not accept."""
        whisper = model.whisper
        self._model = model
        self._request = request
        self._stopped = stopped
        self._languages = LanguageChoice(model.name, whisper, request.languages, request.task)
        self._context = Context(
            self._languages.tokenizer,
            model.beam,
            temperatures=(request.temperature,) if request.temperature else TEMPERATURES,
            words=request.words,
            logprobs=request.logprobs,
            keywords=self._keywords(),
            previous=self._languages.tokens(request.prompt or ""),
        )
        self._decoder = Decoder(whisper, self._context, stopped)
        self._begun = False

    def steps(self) -> Generator[list[TranscribeEvent], None, None]:
        """The events of each window, and finally the finish. Raises InvalidRequest for a bad
        file.
        """
        blocks = decode(self._request.path, RATE, longest=self._model.longest)
        with closing(blocks):
            cut = Cut.of(self._request.voice_activity)
            recording = Recording(blocks, Detector(self._model.detector), cut)
            position = 0
            longest = FIRST_OF_STREAM if self._request.stream else WINDOW
            while (window := recording.next_window(position, longest)) and not self._stopped():
                longest = WINDOW
                segments, position = self._decode(window)
                yield [event for segment in segments for event in self._events(segment)]
            if recording.length < _SHORTEST * RATE:
                raise _too_short()
            yield [
                TranscriptFinish(
                    duration=round(recording.length / RATE, 3), languages=self._languages.heard
                )
            ]

    def _decode(self, window: Window) -> tuple[list[Segment], int]:
        from faster_whisper.audio import pad_or_trim

        whisper = self._model.whisper
        encoded = whisper.encode(pad_or_trim(whisper.feature_extractor(window.samples)))
        self._context.tokenizer = self._languages.of_window(encoded)
        return self._decoder.decode(window, encoded)

    def _events(self, segment: Segment) -> list[TranscribeEvent]:
        text, logprobs = segment.text, segment.logprobs
        if not self._begun:
            self._begun = True
            text, logprobs = text.lstrip(), _without_space(logprobs)
        attempt = segment.attempt
        return [
            TranscriptDelta(text=text, logprobs=logprobs),
            TranscriptSegment(
                start=segment.start,
                end=segment.end,
                text=segment.text,
                tokens=segment.tokens,
                seek=segment.window.start // FRAME,
                temperature=attempt.temperature,
                average_logprob=attempt.average,
                compression_ratio=attempt.repetition,
                no_speech_probability=attempt.silence,
                words=segment.words,
            ),
        ]

    def _keywords(self) -> Sequence[int]:
        if not self._request.keywords:
            return ()
        tokens = self._languages.tokens(", ".join(self._request.keywords))
        if len(tokens) > _MOST_KEYWORD_TOKENS:
            raise InvalidRequest(
                f"The keywords are {len(tokens)} tokens, and the model `{self._model.name}` "
                f"accepts {_MOST_KEYWORD_TOKENS}.",
                code="invalid_value",
                param="keywords",
            )
        return tokens


def _without_space(logprobs: tuple[TokenLogprob, ...]) -> tuple[TokenLogprob, ...]:
    """The tokens without the space at the start of the text."""
    if not logprobs:
        return ()
    first, *rest = logprobs
    return (replace(first, token=first.token.lstrip(), raw=first.raw.lstrip()), *rest)


def _too_short() -> InvalidRequest:
    return InvalidRequest(
        f"Audio file is too short. Minimum audio length is {_SHORTEST} seconds.",
        code="audio_too_short",
        param="file",
    )
