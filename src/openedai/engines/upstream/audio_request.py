"""Requests for transcripts and for speech, as servers with the OpenAI API take them."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path

from msgspec.structs import asdict

from openedai.contract.speak import SpeakRequest
from openedai.contract.transcribe import KnownSpeaker, TranscribeRequest, VoiceActivity
from openedai.engines.remote.connection import RemoteRequest
from openedai.engines.remote.form import Form, FormFile
from openedai.engines.upstream.request import with_extra
from openedai.engines.upstream.servers import Fields, ServerProfile


def speech_request(request: SpeakRequest, model: str) -> RemoteRequest:
    """The request for speech by `model`, the upstream's name. Raises InvalidRequest."""
    fields: Fields = {
        "model": model,
        "input": request.text,
        "voice": request.voice,
        "response_format": request.format,
    }
    if request.speed != 1.0:
        fields["speed"] = request.speed
    if request.instructions is not None:
        fields["instructions"] = request.instructions
    return RemoteRequest("audio/speech", with_extra(fields, request.extra), "input")


def transcription_request(
    request: TranscribeRequest, model: str, profile: ServerProfile
) -> RemoteRequest:
    """The request for a transcript by `model`, the upstream's name. Reads the samples of speakers.

    Raises InvalidRequest.
    """
    translated = request.task == "translate"
    fields: Fields = {"model": model, "response_format": _answer_format(request)}
    fields |= _hints(request)
    if request.temperature is not None:
        fields["temperature"] = request.temperature
    if request.logprobs:
        fields["include"] = ["logprobs"]
    if fields["response_format"] == "verbose_json":
        # Without `segment`, the answer would have words only.
        if request.words:
            fields["timestamp_granularities"] = ["word", "segment"]
        elif not translated:
            fields["timestamp_granularities"] = ["segment"]
    if request.stream and not translated and _can_stream(request, profile):
        fields |= {"stream": True, **profile.transcript_stream}
    if request.voice_activity is not None or request.speakers:
        fields["chunking_strategy"] = _chunking(request.voice_activity)
    if request.known_speakers:
        fields["known_speaker_names"] = [one.name for one in request.known_speakers]
        fields["known_speaker_references"] = [_sample(one) for one in request.known_speakers]
    file = FormFile("file", request.file_name or "audio", Path(request.path))
    form = Form(with_extra(fields, request.extra), (file,))
    path = "audio/translations" if translated else "audio/transcriptions"
    return RemoteRequest(path, None, "file", form=form)


def _answer_format(request: TranscribeRequest) -> str:
    if request.speakers:
        return "diarized_json"
    return "verbose_json" if request.segments or request.words else "json"


def _can_stream(request: TranscribeRequest, profile: ServerProfile) -> bool:
    if _answer_format(request) == "verbose_json":
        return profile.streams_segments and not request.words
    return True


def _hints(request: TranscribeRequest) -> Fields:
    """What is known about the audio."""
    fields: Fields = {}
    if len(request.languages) == 1:
        fields["language"] = request.languages[0]
    elif request.languages:
        fields["languages"] = list(request.languages)
    if request.prompt is not None:
        fields["prompt"] = request.prompt
    if request.keywords:
        fields["keywords"] = list(request.keywords)
    return fields


def _chunking(activity: VoiceActivity | None) -> str | Fields:
    given = asdict(activity) if activity is not None else {}
    numbers = {name: value for name, value in given.items() if value is not None}
    return {"type": "server_vad", **numbers} if numbers else "auto"


def _sample(speaker: KnownSpeaker) -> str:
    """The sample as a data URL."""
    path = Path(speaker.path)
    media_type = mimetypes.guess_type(path.name)[0] or "audio/wav"
    return f"data:{media_type};base64,{base64.b64encode(path.read_bytes()).decode()}"
