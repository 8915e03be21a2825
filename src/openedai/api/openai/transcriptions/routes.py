"""`POST /v1/audio/transcriptions` and `POST /v1/audio/translations`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.transcriptions.render import (
    as_diarized,
    as_json,
    as_srt,
    as_text,
    as_translation,
    as_verbose,
    as_vtt,
    frames,
)
from openedai.api.openai.transcriptions.transcript import Transcript
from openedai.api.openai.transcriptions.types import TranscriptionRequest, TranslationRequest
from openedai.api.route import takes
from openedai.serving.audio.transcription import Transcription
from openedai.serving.call import Call

_TEXTS = {"text": as_text, "srt": as_srt, "vtt": as_vtt}


class Transcriptions:
    def __init__(self, calls: Calls, transcription: Transcription) -> None:
        self._calls = calls
        self._transcription = transcription

    @takes(TranscriptionRequest)
    async def transcribe(self, request: Request) -> Response:
        call = await self._calls.read(request, TranscriptionRequest)
        body = call.body
        events = self._transcription.run(call, body.to_engine_request())
        timed = body.response_format in ("verbose_json", "diarized_json")
        if body.stream:
            stream = frames(events, segments=timed, logprobs=body.wants_logprobs)
            return await self._calls.stream(call, stream)
        transcript = await Transcript.of(events)
        if body.response_format == "verbose_json":
            segments, words = body.wants_segments, body.wants_words
            value: Any = as_verbose(transcript, "transcribe", segments=segments, words=words)
        elif body.response_format == "diarized_json":
            value = as_diarized(transcript)
        else:
            value = as_json(transcript, logprobs=body.wants_logprobs)
        return self._respond(call, transcript, value)

    @takes(TranslationRequest)
    async def translate(self, request: Request) -> Response:
        call = await self._calls.read(request, TranslationRequest)
        events = self._transcription.run(call, call.body.to_engine_request())
        transcript = await Transcript.of(events)
        if call.body.response_format == "verbose_json":
            value: Any = as_verbose(transcript, "translate", segments=True, words=False)
        else:
            value = as_translation(transcript)
        return self._respond(call, transcript, value)

    def _respond(
        self,
        call: Call[TranscriptionRequest] | Call[TranslationRequest],
        transcript: Transcript,
        value: Any,
    ) -> Response:
        """The transcript as text if the format is one, otherwise the value as JSON."""
        text_format = call.body.response_format or ""
        if text_format in _TEXTS:
            media_type = "text/vtt" if text_format == "vtt" else "text/plain"
            return self._calls.respond_text(call, _TEXTS[text_format](transcript), media_type)
        return self._calls.respond(call, value)
