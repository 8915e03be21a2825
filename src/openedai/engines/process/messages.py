"""The messages between the server and a worker; each is the body of one frame.

The server sends Load, gets Ready or a Failure, and then starts calls.
"""

from __future__ import annotations

from typing import Any

from openedai.contract.adapter import Adapter
from openedai.contract.chat import Chat
from openedai.contract.decide import DecideRequest, DecideResult
from openedai.contract.embed import EmbedRequest, EmbedResult
from openedai.contract.generate import GenerateEvent, GenerateRequest
from openedai.contract.images import ImageEvent, ImageRequest
from openedai.contract.moderate import ModerateImagesRequest, ModerateRequest, ModerateResult
from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.contract.speak import SpeakEvent, SpeakRequest, Voice
from openedai.contract.struct import Struct
from openedai.contract.transcribe import TranscribeEvent, TranscribeRequest
from openedai.errors import APIError, EngineCrashed, EngineFailed


class Failure(Struct, frozen=True, tag="failure"):
    """An APIError as it is sent in a frame; `kind` is the name of its class."""

    kind: str
    message: str
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """A Failure for any exception; those that are not APIErrors become EngineFailed."""
        if not isinstance(error, APIError):
            error = EngineFailed(f"{type(error).__name__}: {error}")
        return cls(
            kind=type(error).__name__,
            message=error.template,
            code=error.code,
            param=error.param,
            retry_after=error.retry_after,
        )

    def error(self) -> APIError:
        """An error of the same class as the original."""
        found = next((c for c in _error_classes(APIError) if c.__name__ == self.kind), EngineFailed)
        error = found.__new__(found)
        APIError.__init__(
            error, self.message, code=self.code, param=self.param, retry_after=self.retry_after
        )
        return error


def _error_classes(root: type[APIError]) -> list[type[APIError]]:
    return [root, *(c for sub in root.__subclasses__() for c in _error_classes(sub))]


class Load(Struct, frozen=True, tag="load"):
    """The first frame: which engine, and what it loads."""

    engine: str
    model: str
    path: str | None
    options: dict[str, Any]
    adapters: tuple[Adapter, ...] = ()


class Ready(Struct, frozen=True, tag="ready"):
    """The answer when the engine is loaded."""

    slots: int


class StartCall(Struct, frozen=True, tag="call"):
    """Start a call. The parent chooses the id."""

    id: int
    request: AnyCall


class GenerateCall(Struct, frozen=True, tag="generate"):
    request: GenerateRequest


class TranscribeCall(Struct, frozen=True, tag="transcribe"):
    request: TranscribeRequest


class SpeakCall(Struct, frozen=True, tag="speak"):
    request: SpeakRequest


class ImagesCall(Struct, frozen=True, tag="images"):
    request: ImageRequest


class EmbedCall(Struct, frozen=True, tag="embed"):
    request: EmbedRequest


class RerankCall(Struct, frozen=True, tag="rerank"):
    request: RerankRequest


class DecideCall(Struct, frozen=True, tag="decide"):
    request: DecideRequest


class ModerateCall(Struct, frozen=True, tag="moderate"):
    request: ModerateRequest


class ModerateImagesCall(Struct, frozen=True, tag="moderate_images"):
    request: ModerateImagesRequest


class TokenizeCall(Struct, frozen=True, tag="tokenize"):
    text: str
    special: bool


class DetokenizeCall(Struct, frozen=True, tag="detokenize"):
    ids: tuple[int, ...]


class CountCall(Struct, frozen=True, tag="count"):
    chat: Chat


class AdapterCall(Struct, frozen=True, tag="adapter"):
    """Add an adapter; the result is the empty text."""

    adapter: Adapter


class VoicesCall(Struct, frozen=True, tag="voices"):
    """Ask for the voices."""


class Voices(Struct, frozen=True, tag="voice_list"):
    """The answer to VoicesCall."""

    voices: tuple[Voice, ...]


StreamCall = GenerateCall | TranscribeCall | SpeakCall | ImagesCall
TokensCall = TokenizeCall | DetokenizeCall | CountCall
ValueCall = (
    EmbedCall
    | RerankCall
    | ModerateCall
    | ModerateImagesCall
    | DecideCall
    | TokensCall
    | VoicesCall
    | AdapterCall
)
AnyCall = StreamCall | ValueCall
StreamEvent = GenerateEvent | TranscribeEvent | SpeakEvent | ImageEvent
Value = (
    EmbedResult
    | RerankResult
    | ModerateResult
    | DecideResult
    | Voices
    | tuple[int, ...]
    | str
    | int
)


class Cancel(Struct, frozen=True, tag="cancel"):
    """Cancel the call with this id."""

    id: int


class Hold(Struct, frozen=True, tag="hold"):
    """Send no more events of the call with this id, for now."""

    id: int


class Release(Struct, frozen=True, tag="release"):
    """Send events of the call with this id again."""

    id: int


class Close(Struct, frozen=True, tag="close"):
    """Cancel all calls, close the engine, and end."""


class Ping(Struct, frozen=True, tag="ping"):
    """Ask for a Pong."""


Command = StartCall | Cancel | Hold | Release | Close | Ping


class Pong(Struct, frozen=True, tag="pong"):
    """The answer to Ping, at once; `progress` is the engine's."""

    progress: int


class Events(Struct, frozen=True, tag="events"):
    """The next events of the call with this id."""

    id: int
    events: tuple[StreamEvent, ...]


class Result(Struct, frozen=True, tag="result"):
    """The end of a call: its value, its failure, or neither for the end of a stream."""

    id: int
    value: Value | None = None
    failure: Failure | None = None

    @property
    def crashed(self) -> bool:
        """Whether the engine reported that it is dead."""
        return self.failure is not None and self.failure.kind == EngineCrashed.__name__
