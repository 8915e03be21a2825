"""The events of a transcription, folded."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from openedai.contract.generate import TokenLogprob
from openedai.contract.transcribe import (
    TranscribeEvent,
    TranscriptDelta,
    TranscriptFinish,
    TranscriptSegment,
)


@dataclass
class Transcript:
    """A transcript so far; `finish` has its duration and languages once it is complete."""

    text: str = ""
    segments: list[TranscriptSegment] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish: TranscriptFinish = field(default_factory=lambda: TranscriptFinish(duration=0.0))

    def add(self, event: TranscribeEvent) -> None:
        match event:
            case TranscriptDelta(text=text, logprobs=logprobs):
                self.text += text
                self.logprobs += logprobs
            case TranscriptSegment():
                self.segments.append(event)
            case TranscriptFinish():
                self.finish = event

    @classmethod
    async def of(cls, events: AsyncGenerator[TranscribeEvent, None]) -> Transcript:
        """All events, folded."""
        transcript = cls()
        async with aclosing(events) as stream:
            async for event in stream:
                transcript.add(event)
        return transcript
