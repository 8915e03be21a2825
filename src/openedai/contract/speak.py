"""Text to speech: requests, voices and the events of a speech."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from openedai.contract.generate import Usage
from openedai.contract.struct import Struct

AudioFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
"""`opus` is in an Ogg container, `pcm` is mono, 16 bits, little-endian, 24,000 samples a second."""


class SpeakRequest(Struct, frozen=True):
    """A request to speak a text.

    `voice` is a name as the client gave it: one of the engine's voices, or a name that the engine
    maps to one. `speed` 1.0 is the voice's own. `instructions` say how to speak. `variant` and
    `extra` are as in `GenerateRequest`.
    """

    text: str
    voice: str
    format: AudioFormat = "mp3"
    speed: float = 1.0
    instructions: str | None = None
    variant: str | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class Voice(Struct, frozen=True):
    """A voice. `languages` are ISO 639-1 codes; `aliases` are other names that it answers to."""

    name: str
    languages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class AudioChunk(Struct, frozen=True, tag="audio"):
    """The next bytes of the audio file; never empty. All joined are the file."""

    data: bytes


class SpeakFinish(Struct, frozen=True, tag="speak_finish"):
    """The last event: the seconds of audio, 0 if unknown; usage if the engine counts tokens."""

    duration: float
    usage: Usage | None = None


SpeakEvent = AudioChunk | SpeakFinish
