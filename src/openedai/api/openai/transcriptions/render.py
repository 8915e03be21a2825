"""Transcripts in the formats of the official API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Literal

import msgspec

from openedai.api.openai.transcriptions.transcript import Transcript
from openedai.api.parameters.streams import DONE
from openedai.audio.languages import name_of
from openedai.contract.generate import TokenLogprob, Usage
from openedai.contract.transcribe import (
    TranscribeEvent,
    TranscribeTask,
    TranscriptDelta,
    TranscriptFinish,
    TranscriptSegment,
)
from openedai.http.respond import data_frame

SegmentType = Literal["transcript.text.segment"]


class Token(msgspec.Struct):
    token: str
    logprob: float | None
    bytes: list[int]


class Language(msgspec.Struct):
    code: str


class Seconds(msgspec.Struct):
    seconds: float
    type: str = "duration"


class TokenCount(msgspec.Struct):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    type: str = "tokens"


class Json(msgspec.Struct, omit_defaults=True):
    text: str
    usage: Seconds | TokenCount | None = None
    languages: list[Language] | None = None
    logprobs: list[Token] | None = None


class VerboseSegment(msgspec.Struct):
    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class VerboseWord(msgspec.Struct):
    word: str
    start: float
    end: float


class Verbose(msgspec.Struct):
    task: TranscribeTask
    language: str
    duration: float
    text: str
    segments: list[VerboseSegment] | msgspec.UnsetType
    words: list[VerboseWord] | msgspec.UnsetType
    usage: Seconds | TokenCount


class SpeakerSegment(msgspec.Struct):
    id: str
    start: float
    end: float
    text: str
    speaker: str
    type: SegmentType = "transcript.text.segment"


class Diarized(msgspec.Struct):
    text: str
    duration: float
    segments: list[SpeakerSegment]
    usage: Seconds | TokenCount
    task: str = "transcribe"


class DeltaEvent(msgspec.Struct, omit_defaults=True, tag_field="type", tag="transcript.text.delta"):
    delta: str
    logprobs: list[Token] | None = None
    segment_id: str | None = None


class DoneEvent(msgspec.Struct, omit_defaults=True, tag_field="type", tag="transcript.text.done"):
    text: str
    languages: list[Language]
    logprobs: list[Token] | None = None
    usage: TokenCount | None = None


def as_json(transcript: Transcript, *, logprobs: bool) -> Json:
    return Json(
        text=transcript.text,
        usage=_usage(transcript.finish),
        languages=_languages(transcript.finish),
        logprobs=_tokens(transcript.logprobs) if logprobs else None,
    )


def as_translation(transcript: Transcript) -> Json:
    return Json(text=transcript.text)


def as_verbose(
    transcript: Transcript, task: TranscribeTask, *, segments: bool, words: bool
) -> Verbose:
    finish = transcript.finish
    heard = finish.languages[0] if finish.languages else ""
    spoken = [word for segment in transcript.segments for word in segment.words]
    timed = [VerboseWord(word.text.strip(), word.start, word.end) for word in spoken]
    parts = [_verbose(number, one) for number, one in enumerate(transcript.segments)]
    return Verbose(
        task=task,
        language=name_of(heard if task == "transcribe" else "en"),
        duration=finish.duration,
        text=transcript.text,
        segments=parts if segments else msgspec.UNSET,
        words=timed if words else msgspec.UNSET,
        usage=_usage(finish),
    )


def as_diarized(transcript: Transcript) -> Diarized:
    return Diarized(
        text=transcript.text,
        duration=transcript.finish.duration,
        segments=[_speaker(number, one) for number, one in enumerate(transcript.segments)],
        usage=_usage(transcript.finish),
    )


def as_text(transcript: Transcript) -> str:
    return f"{transcript.text}\n"


def as_srt(transcript: Transcript) -> str:
    return "".join(
        f"{number}\n{_time(one.start, ',')} --> {_time(one.end, ',')}\n{_line(one)}\n\n"
        for number, one in enumerate(transcript.segments, 1)
    )


def as_vtt(transcript: Transcript) -> str:
    cues = (
        f"{_time(one.start, '.')} --> {_time(one.end, '.')}\n{_line(one)}\n\n"
        for one in transcript.segments
    )
    return "WEBVTT\n\n" + "".join(cues)


async def frames(
    events: AsyncGenerator[TranscribeEvent, None], *, segments: bool, logprobs: bool
) -> AsyncGenerator[bytes, None]:
    """The frames of a streamed transcript. With `segments` they include those and their times."""
    transcript = Transcript()
    async with aclosing(events) as stream:
        async for event in stream:
            if segments and isinstance(event, TranscriptSegment):
                yield data_frame(_speaker(len(transcript.segments), event))
            if isinstance(event, TranscriptDelta):
                yield data_frame(
                    DeltaEvent(event.text, _tokens(event.logprobs) if logprobs else None)
                )
            transcript.add(event)
    usage = transcript.finish.usage
    yield data_frame(
        DoneEvent(
            transcript.text,
            _languages(transcript.finish),
            _tokens(transcript.logprobs) if logprobs else None,
            None if usage is None else _count(usage),
        )
    )
    yield DONE


def _usage(finish: TranscriptFinish) -> Seconds | TokenCount:
    return Seconds(finish.duration) if finish.usage is None else _count(finish.usage)


def _count(usage: Usage) -> TokenCount:
    total = usage.prompt_tokens + usage.completion_tokens
    return TokenCount(usage.prompt_tokens, usage.completion_tokens, total)


def _languages(finish: TranscriptFinish) -> list[Language]:
    return [Language(code) for code in finish.languages]


def _tokens(logprobs: Sequence[TokenLogprob]) -> list[Token]:
    return [Token(one.token, one.logprob, list(one.raw)) for one in logprobs]


def _verbose(number: int, segment: TranscriptSegment) -> VerboseSegment:
    return VerboseSegment(
        id=number,
        seek=segment.seek,
        start=segment.start,
        end=segment.end,
        text=segment.text,
        tokens=segment.tokens,
        temperature=segment.temperature,
        avg_logprob=segment.average_logprob,
        compression_ratio=segment.compression_ratio,
        no_speech_prob=segment.no_speech_probability,
    )


def _speaker(number: int, segment: TranscriptSegment) -> SpeakerSegment:
    speaker = segment.speaker or ""
    return SpeakerSegment(f"seg_{number}", segment.start, segment.end, segment.text, speaker)


def _time(seconds: float, point: str) -> str:
    """Hours, minutes, seconds and milliseconds."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _line(segment: TranscriptSegment) -> str:
    """The text of a subtitle: `-->` would begin another one."""
    return segment.text.strip().replace("-->", "->")
