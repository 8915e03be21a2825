"""Audio in chats: the parameters, and the ids of spoken answers.

The id of a spoken answer contains its transcript. So a conversation can refer to an earlier answer
by its id, on every server and at any time, and nothing is stored.
"""

from __future__ import annotations

from typing import Annotated, Literal

from openedai.api.parameters.chats.packed import pack, unpack
from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.contract.speak import AudioFormat
from openedai.errors import NotFound
from openedai.http.body import Body

_PREFIX = "audio_"


class VoiceId(Body):
    id: str


class AudioOutput(Body):
    """How the answer is spoken."""

    voice: Annotated[
        Annotated[str, branch("a string")] | Annotated[VoiceId, branch("an object")], BY_JSON_TYPE
    ]
    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]

    @property
    def voice_name(self) -> str:
        return self.voice if isinstance(self.voice, str) else self.voice.id

    @property
    def engine_format(self) -> AudioFormat:
        return "pcm" if self.format == "pcm16" else self.format


class EarlierAudio(Body):
    """An earlier spoken answer, by its id. The rest of it may be sent back, without effect."""

    id: str
    data: str | None = None
    expires_at: int | None = None
    transcript: str | None = None


def spoken_id(transcript: str) -> str:
    """The id of an answer with this transcript."""
    return pack(_PREFIX, transcript)


def transcript_of(id: str, param: str) -> str:
    """The transcript of the answer with this id. Raises NotFound."""
    text = unpack(_PREFIX, id)
    if text is None:
        raise NotFound(f"There is no audio {id[:64]!r}.", code="invalid_value", param=param)
    return text
