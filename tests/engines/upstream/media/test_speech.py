"""Speech by an upstream: what it is sent, and what its answers become."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from openedai.contract.speak import AudioChunk, SpeakEvent, SpeakFinish, SpeakRequest, Voice
from openedai.engines.speech.voices import OFFICIAL
from openedai.engines.upstream.engine import Upstream
from openedai.errors import APIError, BadGateway, InvalidRequest, Unsupported
from tests.engines.upstream.faults import Fault, FaultyServer, Peer, ReceivedRequest
from tests.engines.upstream.media import hosted
from tests.engines.upstream.media.hosted import sends_audio
from tests.engines.upstream.media.media_engine import ask, collected

HELLO = SpeakRequest(text="Good day.", voice="alloy")
STARTS: dict[Any, bytes] = {
    "mp3": hosted.MP3,
    "opus": b"OggS\0\2" + bytes(30),
    "aac": b"\xff\xf1\x50\x80" + bytes(30),
    "flac": b"fLaC\0\0\0\x22" + bytes(30),
    "wav": b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(30),
    "pcm": b"\xff\xfb" * 24_000,
}


def exchange(
    fault: Fault, request: SpeakRequest = HELLO
) -> tuple[list[SpeakEvent], ReceivedRequest]:
    async def scenario(
        engine: Upstream, other: FaultyServer
    ) -> tuple[list[SpeakEvent], ReceivedRequest]:
        events = await collected(engine.speak(request))
        (received,) = other.requests
        return events, received

    return ask(fault, scenario)


def audio_of(events: list[SpeakEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, AudioChunk))


def voices(answers: dict[str, tuple[int, str, bytes]]) -> tuple[Voice, ...]:
    async def scenario(engine: Upstream, server: FaultyServer) -> tuple[Voice, ...]:
        server.gets |= {f"/v1/audio/voices{query}": answer for query, answer in answers.items()}
        return await engine.voices()

    return ask(sends_audio(b""), scenario)


def test_a_plain_request() -> None:
    events, received = exchange(sends_audio(hosted.MP3))
    assert received.path == "/v1/audio/speech"
    assert received.body == {
        "model": "theirs",
        "input": "Good day.",
        "voice": "alloy",
        "response_format": "mp3",
    }
    assert audio_of(events) == hosted.MP3
    assert events[-1] == SpeakFinish(duration=0)


def test_every_parameter_is_sent() -> None:
    request = SpeakRequest(
        text="Good day.",
        voice="af_heart",
        format="opus",
        speed=1.5,
        instructions="whisper",
        extra={"lang_code": "a"},
    )
    received = exchange(sends_audio(STARTS["opus"]), request)[1]
    assert received.body == {
        "model": "theirs",
        "input": "Good day.",
        "voice": "af_heart",
        "response_format": "opus",
        "speed": 1.5,
        "instructions": "whisper",
        "lang_code": "a",
    }


@pytest.mark.parametrize("format", STARTS)
def test_every_format_is_passed_on(format: Any) -> None:
    request = SpeakRequest(text="x", voice="alloy", format=format)
    events = exchange(sends_audio(STARTS[format]), request)[0]
    assert audio_of(events) == STARTS[format]
    assert events[-1] == SpeakFinish(duration=1.0 if format == "pcm" else 0)


@pytest.mark.parametrize(
    ("sent", "requested"),
    [("wav", "mp3"), ("mp3", "opus"), ("opus", "pcm"), ("wav", "pcm"), ("flac", "wav")],
)
def test_another_format_than_requested_is_refused(sent: str, requested: Any) -> None:
    with pytest.raises(Unsupported) as caught:
        exchange(sends_audio(STARTS[sent]), SpeakRequest(text="x", voice="a", format=requested))
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "response_format")


def test_audio_is_passed_on_as_it_arrives() -> None:
    received = asyncio.Event()

    async def waits_for_the_reader(peer: Peer, request: ReceivedRequest) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nConnection: close\r\n\r\n")
        await peer.send(hosted.MP3[:1])  # too little to tell the format
        await peer.send(hosted.MP3[1:100])
        await received.wait()
        await peer.send(hosted.MP3[100:])

    async def scenario(engine: Upstream, server: FaultyServer) -> list[SpeakEvent]:
        found = []
        async for event in engine.speak(HELLO):
            received.set()
            found.append(event)
        return found

    assert audio_of(ask(waits_for_the_reader, scenario)) == hosted.MP3


def test_a_short_file_is_whole() -> None:
    assert audio_of(exchange(sends_audio(b"\xff\xfb\x90"))[0]) == b"\xff\xfb\x90"


@pytest.mark.parametrize(
    "fault",
    [
        sends_audio(b""),
        sends_audio(b"<html>", content_type="text/html"),
        sends_audio(b'{"audio": "x"}', content_type="application/json; charset=utf-8"),
        sends_audio(b"data: {}\n\n", content_type="text/event-stream"),
    ],
)
def test_what_is_no_audio_is_a_bad_gateway(fault: Fault) -> None:
    with pytest.raises(BadGateway):
        exchange(fault)


def test_a_file_that_breaks_off() -> None:
    async def scenario(engine: Upstream, server: FaultyServer) -> None:
        speech = engine.speak(HELLO)
        assert await anext(speech) == AudioChunk(data=hosted.MP3)
        with pytest.raises(BadGateway, match="broke its answer off"):
            await anext(speech)

    ask(sends_audio(hosted.MP3, missing=10), scenario)


def test_an_unknown_voice() -> None:
    async def refuses(peer: Peer, request: ReceivedRequest) -> None:
        error = {"message": "no such voice", "type": "invalid_request_error", "param": "voice"}
        body = json.dumps({"error": {**error, "code": "invalid_value"}}).encode()
        await peer.answer(400, body, content_type=hosted.JSON)

    with pytest.raises(InvalidRequest) as caught:
        exchange(refuses)
    assert (caught.value.param, caught.value.code) == ("voice", "invalid_value")


def test_a_server_without_speech() -> None:
    async def knows_nothing(peer: Peer, request: ReceivedRequest) -> None:
        await peer.answer(404, b'{"detail": "Not Found"}', content_type=hosted.JSON)

    with pytest.raises(Unsupported) as caught:
        exchange(knows_nothing)
    assert (caught.value.code, caught.value.param) == ("unsupported_model", "model")


MODEL = "?model=theirs"
NO_LIST = (404, hosted.JSON, b"{}")


@pytest.mark.parametrize(
    "body",
    [
        ["nova", "own"],
        {"voices": ["nova", "own", "nova"]},
        {"voices": [{"voice_id": "nova", "name": "Nova", "languages": 5}, {"name": "own"}]},
        {"object": "list", "data": [{"id": "nova", "name": "Nova"}, {"id": "own"}, {"x": 1}]},
    ],
)
@pytest.mark.parametrize("query", [MODEL, ""])
def test_the_voices_of_the_upstream(body: Any, query: str) -> None:
    answers = {MODEL: NO_LIST, query: (200, hosted.JSON, json.dumps(body).encode())}
    assert voices(answers) == (Voice(name="nova"), Voice(name="own"))


def test_voices_with_languages_and_aliases() -> None:
    body = {
        "voices": [
            {"id": "echo", "languages": ["en"], "aliases": ["echo", "alloy"]},
            {"id": "alloy", "languages": ["en"], "aliases": []},
        ]
    }
    assert voices({MODEL: (200, hosted.JSON, json.dumps(body).encode())}) == (
        Voice(name="echo", languages=("en",), aliases=("echo", "alloy")),
    )


@pytest.mark.parametrize("answer", [NO_LIST, (405, "text/html", b"no"), (200, hosted.JSON, b"[]")])
def test_the_official_voices_where_there_is_no_list(answer: Any) -> None:
    assert [one.name for one in voices({MODEL: answer, "": answer})] == list(OFFICIAL)


@pytest.mark.parametrize(
    "answer",
    [(500, hosted.JSON, b"{}"), (200, hosted.JSON, b"nonsense"), (401, hosted.JSON, b"{}")],
)
def test_voices_that_cannot_be_listed(answer: Any) -> None:
    with pytest.raises(APIError) as caught:
        voices({MODEL: answer})
    assert caught.value.status == 502
