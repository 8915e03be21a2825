"""The speech of an upstream, and its voices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from openedai.contract.speak import AudioFormat, Voice
from openedai.engines.upstream.answers.problems import MalformedAnswer, ignored

SNIFFED_BYTES = 12
_BYTES_PER_SECOND = 48_000  # of PCM
_TEXTS = ("json", "text/", "xml")


class ListedVoice(msgspec.Struct):
    """A voice, with the fields in which servers give its name."""

    id: str | None = None
    voice_id: str | None = None
    name: str | None = None
    languages: Any = None
    aliases: Any = None

    def voice(self) -> Voice:
        name = self.id or self.voice_id or self.name or ""
        return Voice(name=name, languages=_texts(self.languages), aliases=_texts(self.aliases))


class VoiceList(msgspec.Struct):
    voices: list[str | ListedVoice] | None = None
    data: list[str | ListedVoice] | None = None


def read_voices(body: bytes) -> tuple[Voice, ...]:
    """The voices of any server. Raises msgspec's errors.

    Names that are aliases of a voice may be listed as voices too: they are left out.
    """
    listed = msgspec.json.decode(body, type=VoiceList | list[str])
    items: Sequence[str | ListedVoice]
    items = listed if isinstance(listed, list) else listed.voices or listed.data or ()
    voices = [Voice(name=one) if isinstance(one, str) else one.voice() for one in items]
    aliases = {alias for one in voices for alias in one.aliases if alias != one.name}
    found: dict[str, Voice] = {}
    for one in voices:
        if one.name and one.name not in aliases:
            found.setdefault(one.name, one)
    return tuple(found.values())


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def check_type(content_type: str) -> None:
    """Raise MalformedAnswer for an answer whose type is not audio."""
    if any(text in content_type.lower() for text in _TEXTS):
        raise MalformedAnswer("answered with something that is no audio")


def check_start(start: bytes, format: AudioFormat) -> None:
    """Check the first SNIFFED_BYTES of an audio file.

    Raises MalformedAnswer for an empty file, and Unsupported for one in another format.
    """
    if not start:
        raise MalformedAnswer("answered without any audio")
    if not _is_possible(start, format):
        raise ignored("response_format")


def _is_possible(start: bytes, format: AudioFormat) -> bool:
    found = _container(start)
    if found is None:
        return format in ("pcm", "mp3", "aac")
    return found == format


def _container(start: bytes) -> str | None:
    """The format that begins like this; None if that is unclear, because two bytes may also be
    PCM.
    """
    if start.startswith(b"RIFF") and start[8:12] == b"WAVE":
        return "wav"
    known = {b"OggS": "opus", b"fLaC": "flac", b"ID3": "mp3"}
    return next((name for magic, name in known.items() if start.startswith(magic)), None)


class Clock:
    """Counts the seconds of audio in the bytes of a file, which is possible for PCM only."""

    def __init__(self, format: AudioFormat) -> None:
        self._counts = format == "pcm"
        self._bytes = 0

    def add(self, data: bytes) -> None:
        self._bytes += len(data)

    @property
    def seconds(self) -> float:
        return self._bytes / _BYTES_PER_SECOND if self._counts else 0.0
