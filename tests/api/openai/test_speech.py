"""`POST /v1/audio/speech` and `GET /v1/audio/voices`, on the echo engine."""

from __future__ import annotations

import base64
import json
from typing import Any

import aiohttp
import pytest
from openai import BadRequestError, OpenAI

from openedai.config import ModelSpec
from tests.support import Running, ServerThread, echo_settings, fetch, occupancy, wait_until

SPEECH = {"model": "echo", "voice": "alloy", "input": "Good morning. How are you?"}
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


def speak(server: Running, **values: Any) -> Any:
    return fetch(f"{server.url}/v1/audio/speech", "POST", json={**SPEECH, **values})


def test_the_official_client_gets_a_file(client: OpenAI) -> None:
    answer = client.audio.speech.create(
        model="echo", voice="alloy", input="Good morning.", response_format="wav"
    )
    assert answer.content.startswith(b"RIFF")
    assert answer.response.headers["content-type"] == "audio/wav"
    assert answer.response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(("format", "media_type"), MEDIA_TYPES.items())
def test_the_content_type_is_that_of_the_format(
    echo_server: Running, format: str, media_type: str
) -> None:
    answer = speak(echo_server, response_format=format)
    assert (answer.status, answer.headers["content-type"]) == (200, media_type)


def test_mp3_is_the_default(echo_server: Running) -> None:
    assert speak(echo_server).headers["content-type"] == "audio/mpeg"


def test_events_have_the_same_bytes(echo_server: Running) -> None:
    file = speak(echo_server, response_format="pcm").body
    answer = speak(echo_server, response_format="pcm", stream_format="sse")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(one.removeprefix(b"data: ")) for one in answer.body.split(b"\n\n")[:-1]]
    *deltas, done = events
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(delta["audio"]) for delta in deltas) == file
    assert done["type"] == "speech.audio.done"
    assert set(done["usage"]) == {"input_tokens", "output_tokens", "total_tokens"}


def test_a_voice_may_be_an_object(echo_server: Running) -> None:
    assert speak(echo_server, voice={"id": "alloy"}).status == 200


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"voice": "nobody"}, "invalid_value", "voice"),
        ({"voice": {"id": "nobody"}}, "invalid_value", "voice"),
        ({"voice": 5}, "invalid_type", "voice"),
        ({"input": " \n"}, "invalid_value", "input"),
        ({"input": "a" * 32_769}, "string_above_max_length", "input"),
        ({"speed": 0.2}, "decimal_below_min_value", "speed"),
        ({"speed": 4.1}, "decimal_above_max_value", "speed"),
        ({"response_format": "ogg"}, "invalid_value", "response_format"),
        ({"stream_format": "ndjson"}, "invalid_value", "stream_format"),
        ({"pitch": 2}, "unknown_parameter", "pitch"),
    ],
)
def test_invalid_values_are_named(
    client: OpenAI, change: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(BadRequestError) as failed:
        client.post("/audio/speech", body={**SPEECH, **change}, cast_to=object)
    assert (failed.value.code, failed.value.param) == (code, param)


def test_a_missing_voice_is_named(echo_server: Running) -> None:
    body = {"model": "echo", "input": "hi"}
    answer = fetch(f"{echo_server.url}/v1/audio/speech", "POST", json=body)
    assert json.loads(answer.body)["error"]["code"] == "missing_required_parameter"


def test_a_client_that_leaves_frees_the_slot(echo_server: Running) -> None:
    with (
        echo_server.client() as client,
        client.audio.speech.with_streaming_response.create(
            model="slow", voice="alloy", input="word " * 2000, response_format="wav"
        ) as answer,
    ):
        chunks = answer.iter_bytes(4)
        assert next(chunks) == b"RIFF"
        assert occupancy(echo_server, "slow") == (1, 0)
    wait_until(lambda: occupancy(echo_server, "slow") == (0, 0))


def test_voices_are_listed_with_the_official_names(echo_server: Running) -> None:
    answer = fetch(f"{echo_server.url}/v1/audio/voices?model=echo")
    listed = json.loads(answer.body)
    assert listed["object"] == "list"
    assert listed["voices"] == listed["data"]
    names = [voice["id"] for voice in listed["data"]]
    assert len(names) == len(set(names))
    for name in names:
        assert speak(echo_server, voice=name).status == 200
    assert "alloy" in names


def test_voices_of_the_default_model(echo_server: Running) -> None:
    assert json.loads(fetch(f"{echo_server.url}/v1/audio/voices").body)["model"] == "echo"


def test_voices_of_a_model_without_any(echo_server: Running) -> None:
    answer = fetch(f"{echo_server.url}/v1/audio/voices?model=unknown")
    assert answer.status == 404


def test_azure_has_it_too(echo_server: Running) -> None:
    url = f"{echo_server.url}/openai/deployments/echo/audio/speech?api-version=2025-04-01-preview"
    answer = fetch(url, "POST", json={"model": "ignored", "voice": "alloy", "input": "hi"})
    assert answer.status == 200


def test_a_file_of_an_engine_that_crashes_is_not_whole(caplog: pytest.LogCaptureFixture) -> None:
    crashes = ModelSpec(id="echo", engine="echo", options={"crash_after": 2})
    with (
        ServerThread(echo_settings(models=(crashes,))) as server,
        pytest.raises(aiohttp.ClientPayloadError),
    ):
        speak(server, input="One. Two. Three. Four.")
    assert "broke off: The process that runs the model `echo` stopped" in caplog.text
    assert "Traceback" not in caplog.text
