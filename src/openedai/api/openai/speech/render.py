"""The events of a speech as an audio file, or as server-sent events."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from openedai.contract.generate import Usage
from openedai.contract.speak import AudioChunk, AudioFormat, SpeakEvent
from openedai.http.respond import data_frame

MEDIA_TYPES: dict[AudioFormat, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


class AudioDelta(msgspec.Struct):
    audio: str
    type: str = "speech.audio.delta"


class SpeechUsage(msgspec.Struct):
    """Engines that do not work with tokens have none."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class AudioDone(msgspec.Struct):
    usage: SpeechUsage
    type: str = "speech.audio.done"


async def file_chunks(events: AsyncGenerator[SpeakEvent, None]) -> AsyncGenerator[bytes, None]:
    """The bytes of the file."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, AudioChunk):
                yield event.data


async def event_frames(events: AsyncGenerator[SpeakEvent, None]) -> AsyncGenerator[bytes, None]:
    """The frames of `stream_format: sse`."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, AudioChunk):
                yield data_frame(AudioDelta(base64.b64encode(event.data).decode()))
            else:
                yield data_frame(AudioDone(_usage(event.usage)))


def _usage(usage: Usage | None) -> SpeechUsage:
    if usage is None:
        return SpeechUsage(0, 0, 0)
    read, written = usage.prompt_tokens, usage.completion_tokens
    return SpeechUsage(read, written, read + written)
