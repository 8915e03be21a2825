"""Speech to text: requests and the events of a transcription."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from openedai.contract.generate import TokenLogprob, Usage
from openedai.contract.struct import Struct

TranscribeTask = Literal["transcribe", "translate"]


class VoiceActivity(Struct, frozen=True):
    """How the audio is cut at pauses: `threshold` from 0 to 1, times in milliseconds.

    None is the engine's default.
    """

    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


class KnownSpeaker(Struct, frozen=True):
    """A speaker by name, with the path of a sample of their voice."""

    name: str
    path: str


class TranscribeRequest(Struct, frozen=True):
    """A request for the text of an audio file.

    `path` is a file on this machine that exists until the request ends, in any container and codec;
    `file_name` is the name that the client gave it. `task` "translate" asks for English.
    `languages` are the possible languages of the audio, as ISO 639-1 codes; empty if unknown.
    `prompt` is text that comes before the audio, `keywords` are words that are likely in it.
    `temperature` None is the engine's default. `segments`, `words`, `logprobs` and `speakers`
    request the times of segments and of words, the log probabilities of tokens, and who speaks; an
    engine may have segments anyway. `stream` requests the text while it is being made, where the
    engine has a choice. `variant` and `extra` are as in `GenerateRequest`.
    """

    path: str
    file_name: str = ""
    task: TranscribeTask = "transcribe"
    languages: tuple[str, ...] = ()
    prompt: str | None = None
    keywords: tuple[str, ...] = ()
    temperature: float | None = None
    segments: bool = False
    words: bool = False
    logprobs: bool = False
    speakers: bool = False
    stream: bool = False
    known_speakers: tuple[KnownSpeaker, ...] = ()
    voice_activity: VoiceActivity | None = None
    variant: str | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class Word(Struct, frozen=True):
    """A word, and when it is spoken, in seconds."""

    text: str
    start: float
    end: float


class TranscriptDelta(Struct, frozen=True, tag="transcript"):
    """The next part of the transcript; never empty. All parts joined are the whole text.

    `logprobs`, if requested, are those of its tokens.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


class TranscriptSegment(Struct, frozen=True, tag="segment"):
    """A part of the audio and its text, after the deltas with the same text.

    Times are in seconds. `tokens`, `temperature`, `average_logprob`, `compression_ratio` and
    `no_speech_probability` are Whisper's. `words` is empty unless requested. `speaker` is a name
    or a letter, if requested.
    """

    start: float
    end: float
    text: str
    tokens: tuple[int, ...] = ()
    seek: int = 0
    temperature: float = 0.0
    average_logprob: float = 0.0
    compression_ratio: float = 0.0
    no_speech_probability: float = 0.0
    words: tuple[Word, ...] = ()
    speaker: str | None = None


class TranscriptFinish(Struct, frozen=True, tag="transcript_finish"):
    """The last event: the seconds of audio, 0 if unknown, and the ISO 639-1 codes of its languages,
    the main one first.

    `usage` is None if the engine counts seconds and not tokens.
    """

    duration: float
    languages: tuple[str, ...] = ()
    usage: Usage | None = None


TranscribeEvent = TranscriptDelta | TranscriptSegment | TranscriptFinish
