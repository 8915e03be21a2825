"""The bodies of `POST /v1/audio/transcriptions` and `POST /v1/audio/translations`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.audio.languages import code_of
from openedai.bounded_json import read_json
from openedai.contract.transcribe import TranscribeRequest, VoiceActivity
from openedai.errors import InvalidRequest, Unsupported, invalid_value
from openedai.http.body import Body, Refused
from openedai.http.upload import Upload

Format = Literal["json", "text", "srt", "verbose_json", "vtt"]
TranscriptionFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
_TIMED = ("srt", "verbose_json", "vtt")


def _from_json(value: Any) -> Any:
    """Some clients send an object in a form as JSON."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return read_json(value)
        except ValueError:
            raise ValueError("it is not valid JSON") from None
    return value


class ServerVad(Body):
    """How the audio is cut at pauses."""

    type: Literal["server_vad"]
    prefix_padding_ms: Annotated[int | None, Field(ge=0, le=10_000)] = None
    silence_duration_ms: Annotated[int | None, Field(ge=0, le=60_000)] = None
    threshold: Annotated[float | None, Field(ge=0, le=1)] = None


class AudioBody(Body):
    """What both endpoints take."""

    passthrough_fields = frozenset[str]()
    accepts_form = True
    accepts_json = False

    file: Upload
    model: str
    prompt: str | None = None
    temperature: Annotated[float | None, Field(ge=0, le=1)] = None


class TranslationRequest(AudioBody):
    response_format: Format | None = None

    def to_engine_request(self) -> TranscribeRequest:
        return TranscribeRequest(
            path=str(self.file.path),
            file_name=self.file.name,
            task="translate",
            prompt=self.prompt or None,
            temperature=self.temperature,
            segments=self.response_format in _TIMED,
            extra=self.extra,
        )


class TranscriptionRequest(AudioBody):
    passthrough_fields = frozenset({"known_speaker_names", "known_speaker_references"})

    response_format: TranscriptionFormat | None = None
    language: str | None = None
    languages: list[str] | None = None
    keywords: list[str] | None = None
    timestamp_granularities: list[Literal["word", "segment"]] | None = None
    include: list[Literal["logprobs"]] | None = None
    chunking_strategy: Annotated[
        Annotated[
            Annotated[Literal["auto"], branch("a string")]
            | Annotated[ServerVad, branch("an object")],
            BY_JSON_TYPE,
        ]
        | None,
        BeforeValidator(_from_json),
    ] = None
    stream: bool | None = None
    known_speaker_names: Refused = None
    known_speaker_references: Refused = None

    @property
    def wants_words(self) -> bool:
        return "word" in (self.timestamp_granularities or ())

    @property
    def wants_segments(self) -> bool:
        return "segment" in (self.timestamp_granularities or ("segment",))

    @property
    def wants_logprobs(self) -> bool:
        return "logprobs" in (self.include or ())

    def check(self) -> None:
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise _only_with("timestamp_granularities", "verbose_json")
        if self.wants_logprobs and self.response_format not in (None, "json"):
            raise _only_with("include", "json")
        if self.language and self.languages:
            raise invalid_value("languages", "it cannot be sent together with 'language'")
        if self.stream and self.response_format in ("srt", "vtt"):
            raise Unsupported(
                f"Unsupported value: 'response_format' does not support {self.response_format!r} "
                "with 'stream'.",
                code="unsupported_value",
                param="response_format",
            )
        self._codes()

    def to_engine_request(self) -> TranscribeRequest:
        return TranscribeRequest(
            path=str(self.file.path),
            file_name=self.file.name,
            languages=self._codes(),
            prompt=self.prompt or None,
            keywords=tuple(word.strip() for word in self.keywords or () if word.strip()),
            temperature=self.temperature,
            segments=self.response_format in (*_TIMED, "diarized_json"),
            words=self.wants_words,
            logprobs=self.wants_logprobs,
            speakers=self.response_format == "diarized_json",
            stream=bool(self.stream),
            voice_activity=self._voice_activity(),
            extra=self.extra,
        )

    def _codes(self) -> tuple[str, ...]:
        if self.language:
            return (_code("language", self.language),)
        return tuple(_code("languages", one) for one in self.languages or ())

    def _voice_activity(self) -> VoiceActivity | None:
        match self.chunking_strategy:
            case ServerVad() as vad:
                return VoiceActivity(
                    threshold=vad.threshold,
                    prefix_padding_ms=vad.prefix_padding_ms,
                    silence_duration_ms=vad.silence_duration_ms,
                )
            case "auto":
                return VoiceActivity()
        return None


def _code(param: str, language: str) -> str:
    code = code_of(language)
    if code is None:
        raise InvalidRequest(
            f"Invalid language '{language}'. Language parameter must be specified in ISO-639-1 "
            "format.",
            code="invalid_language_format",
            param=param,
        )
    return code


def _only_with(param: str, response_format: str) -> InvalidRequest:
    return invalid_value(param, f"it needs the 'response_format' {response_format!r}")
