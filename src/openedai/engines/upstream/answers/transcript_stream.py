"""Reads the streamed transcripts of an upstream as events of the contract.

Streams have three shapes: the official one, vLLM's chunks as in a chat, and events with nothing but
text.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from openedai.contract.transcribe import (
    TranscribeEvent,
    TranscribeRequest,
    TranscriptDelta,
    TranscriptFinish,
    TranscriptSegment,
)
from openedai.engines.upstream.answers.problems import MalformedAnswer, ReportedError, ignored
from openedai.engines.upstream.answers.transcripts import (
    AudioUsage,
    Language,
    TranscriptToken,
    language_codes,
    seconds,
)

_SEGMENT = "transcript.text.segment"
_DONE = "transcript.text.done"


class ChunkDelta(msgspec.Struct):
    content: str | None = None


class ChunkChoice(msgspec.Struct):
    delta: ChunkDelta | None = None
    finish_reason: str | None = None


class TranscriptChunk(ReportedError):
    """One event, in any of the shapes."""

    type: str | None = None
    delta: str | None = None
    text: str | None = None
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    logprobs: list[TranscriptToken] | None = None
    languages: list[Language] | None = None
    usage: AudioUsage | None = None
    choices: list[ChunkChoice] | None = None


class TranscriptEvents:
    """Reads one stream. Raises MalformedAnswer, and Unsupported where it shows that the upstream
    ignored a parameter.
    """

    def __init__(self, request: TranscribeRequest) -> None:
        self._request = request
        self._text = ""
        self._in_segments = 0
        self._has_shape = False
        self._duration = 0.0
        self._finish = TranscriptFinish(duration=0.0)
        self.complete = False

    def read(self, chunk: TranscriptChunk) -> Iterator[TranscribeEvent]:
        """The events of the next chunk."""
        self._has_shape = self._has_shape or chunk.type is not None or chunk.choices is not None
        if chunk.usage is not None:
            self._duration = seconds(chunk.usage.seconds) or self._duration
            self._finish = replace(self._finish, usage=chunk.usage.counted())
        if chunk.choices is not None:
            yield from self._choices(chunk.choices)
        elif chunk.type == _SEGMENT:
            yield from self._segment(chunk)
        elif chunk.type == _DONE:
            yield from self._done(chunk)
        else:
            yield from self._delta(chunk.delta or chunk.text or "", chunk.logprobs)

    def end(self) -> Iterator[TranscribeEvent]:
        """The last event. Streams of nothing but text have no other sign of their end."""
        if not self.complete and (self._has_shape or not self._text):
            raise MalformedAnswer("ended its answer too early")
        if self._request.speakers and self._text and not self._in_segments:
            raise ignored("response_format")
        yield replace(self._finish, duration=self._duration)

    def _choices(self, choices: list[ChunkChoice]) -> Iterator[TranscribeEvent]:
        for choice in choices[:1]:
            if choice.delta is not None:
                yield from self._delta(choice.delta.content or "", None)
            self.complete = self.complete or choice.finish_reason is not None

    def _segment(self, chunk: TranscriptChunk) -> Iterator[TranscribeEvent]:
        """Read a segment; its text may or may not have come in deltas."""
        text = chunk.text or ""
        if len(self._text) == self._in_segments:
            yield from self._delta(text, None)
        self._in_segments = len(self._text)
        start, end = seconds(chunk.start), seconds(chunk.end)
        self._duration = max(self._duration, end)
        yield TranscriptSegment(start=start, end=end, text=text, speaker=chunk.speaker or None)

    def _done(self, chunk: TranscriptChunk) -> Iterator[TranscribeEvent]:
        text = chunk.text or ""
        self.complete = True
        self._finish = replace(self._finish, languages=language_codes(chunk.languages))
        if not self._text:
            yield from self._delta(text, chunk.logprobs)
        elif text.startswith(self._text):
            yield from self._delta(text[len(self._text) :], None)

    def _delta(self, text: str, tokens: list[TranscriptToken] | None) -> Iterator[TranscribeEvent]:
        if not text:
            return
        if self._request.logprobs and not (tokens or self._text):
            raise ignored("include")
        spoken = text if self._text else text.lstrip()
        self._text += text
        logprobs = tuple(token.logprobs() for token in tokens or ())
        if spoken:
            yield TranscriptDelta(text=spoken, logprobs=logprobs if self._request.logprobs else ())
