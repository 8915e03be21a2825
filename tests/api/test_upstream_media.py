"""Audio and images with another one of this server as the upstream: answers equal direct ones."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
from openai import APIStatusError, BadRequestError, OpenAI

from openedai.config import ModelSpec
from openedai.contract.speak import AudioFormat
from tests.images.files import file_of, noise, pixels_of
from tests.support import Running, ServerThread, echo_settings, fetch

KEY = "sk-far-away"
SPOKEN = b"Good morning. How are you today?"
FILE = ("speech.mp3", SPOKEN, "audio/mpeg")
SOURCE = file_of(noise(32, 24))


def far(id: str, url: str, model: str, *capabilities: str, **options: Any) -> ModelSpec:
    given = {"url": url, "server": "openedai", "key": KEY, "model": model, **options}
    if capabilities:
        given["capabilities"] = list(capabilities)
    return ModelSpec(id=id, engine="upstream", options=given)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = echo_settings(api_key=KEY, data=tmp_path_factory.mktemp("far"))
    with ServerThread(settings) as running:
        yield running


@pytest.fixture(scope="module")
def serving(upstream: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = (
        *(far(f"far-{name}", upstream.url, name) for name in ("echo", "reveal", "slow")),
        far("chats", upstream.url, "echo", "chat", "embedding"),
        far("links", upstream.url, "echo", server="openai"),
        far("nowhere", "http://127.0.0.1:1", "echo"),
        far("stranger", upstream.url, "echo", key="sk-wrong-key"),
    )
    settings = echo_settings(
        models=models,
        chat_model="far-echo",
        embedding_model="far-echo",
        transcription_model="far-echo",
        data=tmp_path_factory.mktemp("near"),
    )
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(serving: Running) -> Iterator[OpenAI]:
    with serving.client() as client:
        yield client


@pytest.fixture
def direct(upstream: Running) -> Iterator[OpenAI]:
    with upstream.client(api_key=KEY) as client:
        yield client


def deprecated() -> AbstractContextManager[Any]:
    """The client's methods for what the hosted API has no longer."""
    return warnings.catch_warnings(action="ignore", category=DeprecationWarning)


def running_requests(server: Running, model: str) -> int:
    """By the server's metrics."""
    text = fetch(f"{server.url}/metrics", headers={"authorization": f"Bearer {KEY}"}).body.decode()
    start = f'openedai_model_running{{model="{model}"'
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return int(float(line.split()[-1]))


def transcript(client: OpenAI, model: str, **options: Any) -> Any:
    created = client.audio.transcriptions.create(model=model, file=FILE, **options)
    if options.get("stream"):
        return [event.to_dict() for event in created]
    return created if isinstance(created, str) else created.to_dict()


TRANSCRIPTS: dict[str, dict[str, Any]] = {
    "json": {},
    "text": {"response_format": "text"},
    "subtitles": {"response_format": "srt"},
    "verbose": {"response_format": "verbose_json", "language": "de"},
    "words": {"response_format": "verbose_json", "timestamp_granularities": ["word"]},
    "log probabilities": {"include": ["logprobs"]},
    "streamed": {"stream": True, "include": ["logprobs"]},
    "streamed segments": {"stream": True, "response_format": "verbose_json"},
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcripts_equal_direct_ones(client: OpenAI, direct: OpenAI, name: str) -> None:
    ours = transcript(client, "far-echo", **TRANSCRIPTS[name])
    theirs = transcript(direct, "echo", **TRANSCRIPTS[name])
    if name == "log probabilities":  # the deltas are not those of a whole answer
        ours["logprobs"] = theirs["logprobs"]
    assert ours == theirs


def test_whisper_1_is_the_model_of_the_setting(client: OpenAI) -> None:
    assert transcript(client, "whisper-1")["text"] == SPOKEN.decode()


def test_translations_equal_direct_ones(client: OpenAI, direct: OpenAI) -> None:
    for format in ("json", "verbose_json"):
        options: Any = {"file": FILE, "response_format": format}
        with deprecated():
            ours = client.audio.translations.create(model="far-echo", **options)
            theirs = direct.audio.translations.create(model="echo", **options)
        assert ours.to_dict() == theirs.to_dict()


def test_the_upstream_engine_gets_every_parameter_of_a_transcription(
    client: OpenAI, direct: OpenAI
) -> None:
    """The engine answers with the request that it got."""
    options: dict[str, Any] = {
        "prompt": "before",
        "temperature": 0.5,
        "chunking_strategy": {"type": "server_vad", "threshold": 0.5},
        "extra_body": {"languages": ["de", "en"], "keywords": ["one", "two"]},
    }

    def received(client: OpenAI, model: str) -> Any:
        request = json.loads(transcript(client, model, **options)["text"])
        return {name: value for name, value in request.items() if name != "path"}

    ours = received(client, "far-reveal")
    assert ours == received(direct, "reveal")
    assert ours["keywords"] == ["one", "two"]


def test_a_file_without_audio(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.audio.transcriptions.create(model="far-echo", file=("a.mp3", b"\xff\xfe\xfd"))
    assert caught.value.param == "file"


def test_unknown_parameters_are_the_upstreams(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        transcript(client, "far-echo", extra_body={"hotwords": "x"})
    assert (caught.value.code, caught.value.param) == ("unknown_parameter", "hotwords")
    assert "upstream" not in caught.value.message


def test_a_file_as_an_unknown_parameter_is_refused(serving: Running) -> None:
    form = aiohttp.FormData({"model": "far-echo"})
    for name in ("file", "other"):
        form.add_field(name, SPOKEN, filename="speech.mp3")
    answer = fetch(f"{serving.url}/v1/audio/transcriptions", "POST", data=form)
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["param"]) == (400, "unknown_parameter", "other")


def speech(client: OpenAI, model: str, **options: Any) -> bytes:
    given: dict[str, Any] = {"voice": "alloy", "input": SPOKEN.decode(), "response_format": "wav"}
    return client.audio.speech.create(model=model, **given | options).read()


@pytest.mark.parametrize("format", get_args(AudioFormat))
def test_speech_equals_direct_speech(client: OpenAI, direct: OpenAI, format: str) -> None:
    ours = speech(client, "far-echo", response_format=format)
    assert ours == speech(direct, "echo", response_format=format)
    assert len(ours) > 500


def test_what_is_spoken_is_heard(client: OpenAI) -> None:
    file = ("said.wav", speech(client, "far-echo"))
    assert client.audio.transcriptions.create(model="far-echo", file=file).text == SPOKEN.decode()


def test_speech_as_events(client: OpenAI) -> None:
    body = {"model": "far-echo", "input": "One two.", "voice": "alloy", "response_format": "wav"}
    raw = client.post("/audio/speech", body={**body, "stream_format": "sse"}, cast_to=str)
    events = [
        json.loads(line.removeprefix("data: "))
        for line in raw.splitlines()
        if line.startswith("data: {")
    ]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert events[-1]["type"] == "speech.audio.done"
    audio = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert audio == speech(client, "far-echo", input="One two.")


def test_refusals_of_speech_are_the_upstreams(client: OpenAI) -> None:
    for options, param in (
        ({"voice": "nobody"}, "voice"),
        ({"extra_body": {"mood": "good"}}, "mood"),
    ):
        with pytest.raises(BadRequestError) as caught:
            speech(client, "far-echo", **options)
        assert caught.value.param == param


def test_voices_equal_direct_ones(client: OpenAI, direct: OpenAI) -> None:
    def listed(client: OpenAI, model: str) -> Any:
        options: Any = {"params": {"model": model}}
        return client.get("/audio/voices", cast_to=dict[str, Any], options=options)

    ours = listed(client, "far-echo")
    assert ours["data"] == listed(direct, "echo")["data"]
    assert ours["model"] == "far-echo"
    with pytest.raises(APIStatusError) as caught:
        listed(client, "nowhere")
    assert caught.value.status_code == 503


def image(client: OpenAI, model: str, **options: Any) -> Any:
    return client.images.generate(model=model, prompt="a red circle", size="64x32", **options)


def pixels(encoded: str | None) -> tuple[tuple[int, int], bytes]:
    assert encoded is not None
    found = pixels_of(base64.b64decode(encoded))
    return found.size, found.tobytes()


def test_images_equal_direct_ones(client: OpenAI, direct: OpenAI) -> None:
    options: dict[str, Any] = {
        "n": 2,
        "output_format": "webp",
        "response_format": "b64_json",
        "extra_body": {"seed": 3},
    }
    ours, theirs = image(client, "far-echo", **options), image(direct, "echo", **options)
    assert [pixels(one.b64_json) for one in ours.data] == [
        pixels(one.b64_json) for one in theirs.data
    ]
    assert ours.output_format == theirs.output_format == "webp"
    assert ours.usage == theirs.usage


def test_a_url_is_fetched_and_served_here(client: OpenAI, serving: Running) -> None:
    (one,) = image(client, "links", response_format="url").data
    assert one.url is not None
    assert one.url.startswith(serving.url)
    answer = fetch(one.url)
    assert answer.status == 200
    assert pixels_of(answer.body).size == (64, 32)


def test_previews_equal_direct_ones(client: OpenAI, direct: OpenAI) -> None:
    def events(client: OpenAI, model: str) -> list[Any]:
        stream = image(client, model, n=2, stream=True, partial_images=2, extra_body={"seed": 3})
        return [
            (event.type, getattr(event, "partial_image_index", None), pixels(event.b64_json))
            for event in stream
        ]

    ours = events(client, "far-echo")
    assert ours == events(direct, "echo")
    assert [type for type, *_ in ours].count("image_generation.partial_image") >= 2


def test_edits_and_variations_equal_direct_ones(client: OpenAI, direct: OpenAI) -> None:
    mask = noise(32, 24, mode="RGBA")
    mask.putalpha(255)
    mask.paste((0, 0, 0, 0), (4, 4, 20, 20))
    files: dict[str, Any] = {"image": ("a.png", SOURCE), "mask": ("m.png", file_of(mask))}
    shared: dict[str, Any] = {"response_format": "b64_json", "extra_body": {"seed": 3}}

    def made(client: OpenAI, model: str) -> list[Any]:
        edit = client.images.edit(model=model, prompt="a circle", **files, **shared)
        with deprecated():
            vary = client.images.create_variation(model=model, image=files["image"], **shared)
        return [pixels(answer.data[0].b64_json) for answer in (edit, vary) if answer.data]

    ours = made(client, "far-echo")
    assert ours == made(direct, "echo")
    edited = pixels_of(SOURCE).convert("RGB").tobytes()
    assert ours[0][1][:9] == edited[:9], "what the mask protects"


CALLS: dict[str, Any] = {
    "transcription": lambda client, model: transcript(client, model),
    "speech": lambda client, model: speech(client, model),
    "images": lambda client, model: image(client, model),
}


@pytest.mark.parametrize("name", CALLS)
def test_failures_of_the_upstream(client: OpenAI, name: str) -> None:
    for model, status in (("nowhere", 503), ("stranger", 502)):
        with pytest.raises(APIStatusError) as caught:
            CALLS[name](client, model)
        assert caught.value.status_code == status
        assert "sk-wrong-key" not in caught.value.message


@pytest.mark.parametrize("name", CALLS)
def test_what_a_model_does_not_declare_is_refused(client: OpenAI, name: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        CALLS[name](client, "chats")
    assert (caught.value.code, caught.value.param) == ("unsupported_model", "model")


def test_no_upload_is_left(client: OpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    transcript(client, "far-echo")
    with pytest.raises(APIStatusError):
        transcript(client, "nowhere")
    while list(tmp_path.iterdir()):  # it is deleted after the answer
        pass


def test_a_client_that_leaves_ends_the_request_to_the_upstream(
    client: OpenAI, upstream: Running
) -> None:
    stream = client.audio.transcriptions.create(model="far-slow", file=FILE, stream=True)
    next(iter(stream))
    assert running_requests(upstream, "slow") == 1
    stream.close()
    while running_requests(upstream, "slow"):
        pass


def test_a_client_that_leaves_in_the_middle_of_speech(client: OpenAI, upstream: Running) -> None:
    many = "word " * 2000
    with client.audio.speech.with_streaming_response.create(
        model="far-slow", voice="alloy", input=many, response_format="pcm"
    ) as answer:
        chunks = answer.iter_bytes(1024)  # closes the answer when it is forgotten
        next(chunks)
        assert running_requests(upstream, "slow") == 1
    while running_requests(upstream, "slow"):
        pass
