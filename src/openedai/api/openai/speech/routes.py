"""`POST /v1/audio/speech` and `GET /v1/audio/voices`."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.speech.render import MEDIA_TYPES, event_frames, file_chunks
from openedai.api.openai.speech.types import SpeechRequest
from openedai.api.route import takes
from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import SPEECH
from openedai.catalog.models import Model
from openedai.errors import ModelNotFound
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.audio.speech import Speech
from openedai.serving.call import Call


class VoiceObject(msgspec.Struct):
    """`aliases` are other names that the voice answers to."""

    id: str
    name: str
    languages: tuple[str, ...]
    aliases: tuple[str, ...]
    object: str = "voice"


class VoiceList(msgspec.Struct):
    """`voices` has the same voices as `data`, for clients that look there."""

    data: list[VoiceObject]
    voices: list[VoiceObject]
    model: str
    object: str = "list"


class SpeechRoutes:
    def __init__(self, calls: Calls, catalog: Catalog, speech: Speech) -> None:
        self._calls = calls
        self._catalog = catalog
        self._speech = speech

    @takes(SpeechRequest)
    async def create(self, request: Request) -> Response:
        call = await self._calls.read(request, SpeechRequest)
        events = self._speech.run(call, call.body.to_engine_request())
        if call.body.stream_format == "sse":
            return await self._calls.stream(call, event_frames(events))
        media_type = MEDIA_TYPES[call.body.format]
        return await self._calls.stream(call, file_chunks(events), media_type=media_type)

    async def list_voices(self, request: Request) -> Response:
        """The voices of the model that the query names, or of the default one.

        The names that a voice answers to are listed as voices too.
        """
        name = request.query_params.get("model")
        model = self._catalog.resolve(name) if name else self._default_model()
        exchange = exchange_of(request.scope)
        exchange.model = model.id
        found = await self._speech.voices(Call(None, model, exchange))
        voices = [VoiceObject(one.name, one.name, one.languages, one.aliases) for one in found]
        voices += [
            VoiceObject(alias, alias, one.languages, ()) for one in found for alias in one.aliases
        ]
        return json_response(VoiceList(voices, voices, model.id))

    def _default_model(self) -> Model:
        model = self._catalog.default(SPEECH)
        if model is None:
            raise ModelNotFound("tts-1")
        return model
