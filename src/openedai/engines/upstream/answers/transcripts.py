"""Reads the whole transcripts of an upstream as events of the contract.

Servers differ in what they leave out, so everything but the text may be missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from openedai.audio.languages import code_of
from openedai.contract.generate import TokenLogprob, Usage
from openedai.contract.transcribe import (
    TranscribeEvent,
    TranscribeRequest,
    TranscriptDelta,
    TranscriptFinish,
    TranscriptSegment,
    Word,
)
from openedai.engines.upstream.answers.generation import UsageCounts
from openedai.engines.upstream.answers.problems import ignored


class TranscriptToken(msgspec.Struct):
    token: str | None = None
    bytes: list[int] | None = None
    logprob: float | None = None

    def logprobs(self) -> TokenLogprob:
        token = self.token or ""
        is_known = self.bytes is not None and all(0 <= byte < 256 for byte in self.bytes)
        raw = bytes(self.bytes or ()) if is_known else token.encode()
        return TokenLogprob(token=token, raw=raw, logprob=self.logprob)


class AudioUsage(UsageCounts):
    """Tokens, by the names of either API, or seconds."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None

    def counted(self) -> Usage | None:
        """The usage in tokens; None if it is in seconds."""
        if self.prompt_tokens is not None:
            return self.usage()
        if self.input_tokens is None:
            return None
        return Usage(
            prompt_tokens=max(0, self.input_tokens),
            completion_tokens=max(0, self.output_tokens or 0),
        )


class SpokenWord(msgspec.Struct):
    word: str
    start: float
    end: float


class Segment(msgspec.Struct):
    """Some servers have `words` in each segment, as Whisper itself does."""

    text: str
    start: float
    end: float
    tokens: list[int] | None = None
    seek: int | None = None
    temperature: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None
    words: list[SpokenWord] | None = None
    speaker: str | None = None


class Language(msgspec.Struct):
    code: str


class WholeTranscript(msgspec.Struct):
    """The JSON of any of the formats. vLLM's `duration` is a string."""

    text: str
    language: str | None = None
    languages: list[Language] | None = None
    duration: float | str | None = None
    segments: list[Segment] | None = None
    words: list[SpokenWord] | None = None
    logprobs: list[TranscriptToken] | None = None
    usage: AudioUsage | None = None


def whole_transcript(
    answer: WholeTranscript, request: TranscribeRequest
) -> Iterator[TranscribeEvent]:
    """The events of an answer that is not a stream. Raises Unsupported where it shows that the
    upstream ignored a parameter.
    """
    _check_features(answer, request)
    text, segments = answer.text.strip(), answer.segments or []
    tokens = tuple(token.logprobs() for token in answer.logprobs or ()) if request.logprobs else ()
    parts = None if tokens else _parts(text, segments)
    if parts is None:
        parts = [""] * len(segments)
        if text:
            yield TranscriptDelta(text=text, logprobs=tokens)
    words = _words_by_segment(segments, answer.words or []) if request.words else {}
    for number, (segment, part) in enumerate(zip(segments, parts, strict=True)):
        if part:
            yield TranscriptDelta(text=part)
        yield _segment(segment, words.get(number, ()))
    usage = answer.usage or AudioUsage()
    yield TranscriptFinish(
        duration=seconds(answer.duration) or seconds(usage.seconds) or end_of(segments),
        languages=language_codes(answer.languages, answer.language),
        usage=usage.counted(),
    )


def _parts(text: str, segments: list[Segment]) -> list[str] | None:
    """The text in parts, one for each segment; None if the segments do not make up the text."""
    parts: list[str] = []
    position = 0
    for segment in segments:
        spoken = segment.text.strip()
        start = text.find(spoken, position)
        if start < 0 or text[position:start].strip():
            return None
        parts.append(text[position : start + len(spoken)])
        position = start + len(spoken)
    if not parts or text[position:].strip():
        return None
    return [*parts[:-1], parts[-1] + text[position:]]


def _check_features(answer: WholeTranscript, request: TranscribeRequest) -> None:
    if not answer.text.strip():
        return
    segments = answer.segments or []
    if (request.segments or request.speakers) and not segments:
        raise ignored("response_format")
    if request.speakers and not all(one.speaker for one in segments):
        raise ignored("response_format")
    if request.words and not (answer.words or any(one.words for one in segments)):
        raise ignored("timestamp_granularities")
    if request.logprobs and not answer.logprobs:
        raise ignored("include")


def end_of(segments: list[Segment]) -> float:
    """When the speech ends, in seconds."""
    return max((seconds(one.end) for one in segments), default=0.0)


def _words_by_segment(
    segments: list[Segment], words: list[SpokenWord]
) -> dict[int, tuple[Word, ...]]:
    """The words of each segment, by its number: its own words, or those spoken during it."""
    found: dict[int, list[Word]] = {number: [] for number in range(len(segments))}
    for number, segment in enumerate(segments):
        found[number] += map(_word, segment.words or ())
    if not any(found.values()):
        number = 0
        for word in words:
            middle = (word.start + word.end) / 2
            while number + 1 < len(segments) and middle >= segments[number + 1].start:
                number += 1
            found[number].append(_word(word))
    return {number: tuple(own) for number, own in found.items()}


def _word(word: SpokenWord) -> Word:
    return Word(text=word.word, start=word.start, end=word.end)


def _segment(segment: Segment, words: tuple[Word, ...] = ()) -> TranscriptSegment:
    return TranscriptSegment(
        start=segment.start,
        end=segment.end,
        text=segment.text,
        tokens=tuple(segment.tokens or ()),
        seek=segment.seek or 0,
        temperature=segment.temperature or 0.0,
        average_logprob=segment.avg_logprob or 0.0,
        compression_ratio=segment.compression_ratio or 0.0,
        no_speech_probability=segment.no_speech_prob or 0.0,
        words=words,
        speaker=segment.speaker or None,
    )


def language_codes(listed: list[Language] | None, named: str | None = None) -> tuple[str, ...]:
    """The ISO 639-1 codes, from codes or from names such as `english`."""
    given = [language.code for language in listed or ()] or [named or ""]
    codes = (code_of(text) for text in given)
    return tuple(code for code in codes if code is not None)


def seconds(value: float | str | None) -> float:
    """The number of seconds; 0 if it is missing or not valid."""
    try:
        number = float(value or 0)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
