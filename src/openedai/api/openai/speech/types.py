"""The body of `POST /v1/audio/speech`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.contract.speak import AudioFormat, SpeakRequest
from openedai.errors import invalid_value
from openedai.http.body import Body

# The official limit is 4096; more would be held in memory if a client reads slowly.
MOST_CHARACTERS = 32_768


class VoiceId(Body):
    id: str


Voice = Annotated[
    Annotated[str, branch("a string")] | Annotated[VoiceId, branch("an object")],
    BY_JSON_TYPE,
]


class SpeechRequest(Body):
    passthrough_fields = frozenset[str]()

    model: str
    input: Annotated[str, Field(max_length=MOST_CHARACTERS)]
    voice: Voice
    instructions: str | None = None
    response_format: AudioFormat | None = None
    speed: Annotated[float | None, Field(ge=0.25, le=4.0)] = None
    stream_format: Literal["sse", "audio"] | None = None

    def check(self) -> None:
        if not self.input.strip():
            raise invalid_value("input", "it cannot be empty")

    @property
    def format(self) -> AudioFormat:
        return self.response_format or "mp3"

    def to_engine_request(self) -> SpeakRequest:
        return SpeakRequest(
            text=self.input,
            voice=self.voice if isinstance(self.voice, str) else self.voice.id,
            format=self.format,
            speed=1.0 if self.speed is None else self.speed,
            instructions=self.instructions,
            extra=self.extra,
        )
