"""Transcriptions and translations over HTTP, on the echo engine, which hears texts."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from aiohttp import FormData
from openai import BadRequestError, OpenAI

from openedai.audio.encode import wav_header
from tests.support import Running, fetch

SPOKEN = b"Good morning. How are you today?"
TEXT = SPOKEN.decode()
FILE = ("speech.mp3", SPOKEN, "audio/mpeg")


def create(client: OpenAI, **options: Any) -> Any:
    return client.audio.transcriptions.create(**{"model": "echo", "file": FILE, **options})


def revealed(client: OpenAI, **options: Any) -> Any:
    """The request that the engine got."""
    return json.loads(create(client, model="reveal", **options).text)


def refusal(client: OpenAI, **options: Any) -> tuple[str | None, str | None]:
    """The code and the parameter of the error."""
    with pytest.raises(BadRequestError) as failed:
        create(client, **options)
    return failed.value.code, failed.value.param


@pytest.mark.parametrize("model", ["echo", "hosted", "whisper-1", "gpt-4o-transcribe"])
def test_json(client: OpenAI, model: str) -> None:
    answer = create(client, model=model)
    assert answer.text == TEXT
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == pytest.approx(0.6)
    assert [language.code for language in answer.languages] == ["en"]
    assert answer.logprobs is None


def test_text(client: OpenAI) -> None:
    assert create(client, response_format="text") == f"{TEXT}\n"


def test_subtitles(client: OpenAI) -> None:
    assert create(client, response_format="srt") == (
        "1\n00:00:00,000 --> 00:00:00,200\nGood morning.\n\n"
        "2\n00:00:00,200 --> 00:00:00,600\nHow are you today?\n\n"
    )
    assert create(client, response_format="vtt") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.200\nGood morning.\n\n"
        "00:00:00.200 --> 00:00:00.600\nHow are you today?\n\n"
    )


def test_the_types_of_texts(echo_server: Running) -> None:
    for name, expected in {"text": "text/plain", "srt": "text/plain", "vtt": "text/vtt"}.items():
        answer = post(echo_server, response_format=name)
        assert answer.headers["content-type"] == f"{expected}; charset=utf-8"
        assert answer.headers["x-ratelimit-limit-requests"]


def test_an_arrow_in_a_subtitle_begins_no_other(client: OpenAI) -> None:
    answer = create(client, file=("a.mp3", b"A --> B."), response_format="vtt")
    assert answer.count("-->") == 1
    assert "A -> B." in answer


def test_verbose_json(client: OpenAI) -> None:
    answer = create(client, response_format="verbose_json")
    assert (answer.text, answer.language, answer.duration) == (TEXT, "english", pytest.approx(0.6))
    assert [(one.id, one.text) for one in answer.segments] == [
        (0, "Good morning."),
        (1, " How are you today?"),
    ]
    assert answer.words is None
    assert answer.task == "transcribe"


@pytest.mark.parametrize(
    ("granularities", "segments", "words"),
    [(["word"], False, True), (["segment"], True, False), (["word", "segment"], True, True)],
)
def test_granularities(
    client: OpenAI, granularities: list[Any], segments: bool, words: bool
) -> None:
    answer = create(client, response_format="verbose_json", timestamp_granularities=granularities)
    assert (answer.segments is not None, answer.words is not None) == (segments, words)
    if words:
        assert [one.word for one in answer.words] == TEXT.split()
        assert answer.words[1].start == pytest.approx(0.1)


def test_logprobs(client: OpenAI) -> None:
    answer = create(client, include=["logprobs"])
    assert "".join(one.token for one in answer.logprobs) == TEXT
    assert bytes(map(int, answer.logprobs[1].bytes)) == b" morning."
    assert answer.logprobs[0].logprob == -0.5


def test_a_stream(client: OpenAI) -> None:
    *deltas, done = create(client, stream=True)
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert "".join(event.delta for event in deltas) == TEXT
    assert (done.type, done.text, done.logprobs) == ("transcript.text.done", TEXT, None)
    assert [language.code for language in done.languages] == ["en"]


def test_a_stream_with_logprobs(client: OpenAI) -> None:
    *deltas, done = create(client, stream=True, include=["logprobs"])
    assert [one.token for event in deltas for one in event.logprobs] == [
        one.token for one in done.logprobs
    ]
    assert "".join(one.token for one in done.logprobs) == TEXT


def test_a_stream_with_segments(client: OpenAI) -> None:
    events = list(create(client, stream=True, response_format="verbose_json"))
    segments = [event for event in events if event.type == "transcript.text.segment"]
    assert [(one.id, one.start, one.text) for one in segments] == [
        ("seg_0", 0, "Good morning."),
        ("seg_1", pytest.approx(0.2), " How are you today?"),
    ]


def test_the_end_of_a_stream(echo_server: Running) -> None:
    answer = post(echo_server, stream="true")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.endswith(b"\n\ndata: [DONE]\n\n")


def test_what_the_engine_gets(client: OpenAI) -> None:
    request = revealed(
        client,
        language="fr",
        prompt="Bonjour.",
        keywords=["Rhône", " Alpes "],
        temperature=0.4,
        chunking_strategy={"type": "server_vad", "threshold": 0.7, "silence_duration_ms": 250},
    )
    del request["path"]
    assert request == {
        "file_name": "speech.mp3",
        "languages": ["fr"],
        "prompt": "Bonjour.",
        "keywords": ["Rhône", "Alpes"],
        "temperature": 0.4,
        "voice_activity": {"threshold": 0.7, "silence_duration_ms": 250},
    }


@pytest.mark.parametrize(
    ("language", "code"),
    [("en", "en"), ("EN", "en"), ("pt-BR", "pt"), ("zh_cn", "zh"), ("German", "de"), ("iw", "he")],
)
def test_languages(client: OpenAI, language: str, code: str) -> None:
    assert revealed(client, language=language)["languages"] == [code]
    assert revealed(client, languages=[language, "fr"])["languages"] == [code, "fr"]


def test_empty_values_are_none(client: OpenAI) -> None:
    request = revealed(client, language="", prompt="", keywords=[""])
    assert set(request) == {"path", "file_name"}


def test_a_chunking_strategy_as_json(echo_server: Running) -> None:
    strategy = '{"type": "server_vad", "prefix_padding_ms": 100}'
    answer = post(echo_server, model="reveal", chunking_strategy=strategy)
    request = json.loads(json.loads(answer.body)["text"])
    assert request["voice_activity"] == {"prefix_padding_ms": 100}
    assert "voice_activity" in revealed_by(echo_server, chunking_strategy="auto")
    deep = '{"type": ' + "[" * 50_000 + "]" * 50_000 + "}"
    for bad in ("{", "often", '{"type": "x"}', deep):
        assert post(echo_server, chunking_strategy=bad).status == 400
    negative = '{"type": "server_vad", "silence_duration_ms": -1}'
    error = json.loads(post(echo_server, chunking_strategy=negative).body)["error"]
    assert error["code"] == "integer_below_min_value"
    assert error["param"] == "chunking_strategy.silence_duration_ms"


def translate(client: OpenAI, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return client.audio.translations.create(**{"model": "echo", "file": FILE, **options})


def test_translation(client: OpenAI) -> None:
    assert translate(client).text == TEXT
    verbose = translate(client, response_format="verbose_json")
    assert (verbose.language, len(verbose.segments)) == ("english", 2)
    assert translate(client, response_format="srt").startswith("1\n00:00:00,000")
    assert json.loads(translate(client, model="reveal").text)["task"] == "translate"


@pytest.mark.parametrize(
    ("options", "code", "param"),
    [
        ({"timestamp_granularities": ["word"]}, "invalid_value", "timestamp_granularities"),
        (
            {"include": ["logprobs"], "response_format": "text"},
            "invalid_value",
            "include",
        ),
        ({"include": ["words"]}, "invalid_value", "include[0]"),
        ({"language": "klingon!"}, "invalid_language_format", "language"),
        ({"languages": ["en", "1"]}, "invalid_language_format", "languages"),
        ({"language": "en", "languages": ["en"]}, "invalid_value", "languages"),
        ({"stream": True, "response_format": "srt"}, "unsupported_value", "response_format"),
        ({"response_format": "diarized_json"}, "unsupported_value", "response_format"),
        ({"response_format": "xml"}, "invalid_value", "response_format"),
        ({"temperature": 1.5}, "decimal_above_max_value", "temperature"),
        ({"known_speaker_names": ["ann"]}, "unsupported_parameter", "known_speaker_names"),
        ({"extra_body": {"best_of": 3}}, "unknown_parameter", "best_of"),
        ({"file": ("a.mp3", b"")}, "invalid_value", "file"),
        ({"file": ("a.mp3", b"\xff\xfe\x00")}, "invalid_value", "file"),
        ({"file": ("a.wav", wav_header() + b"\xff\xfe")}, "invalid_value", "file"),
    ],
    ids=str,
)
def test_refusals(client: OpenAI, options: dict[str, Any], code: str, param: str) -> None:
    assert refusal(client, **options) == (code, param)


@pytest.mark.parametrize("path", ["/openai/deployments/echo", "/openai/v1"])
@pytest.mark.parametrize("name", ["transcriptions", "translations"])
def test_azures_urls(echo_server: Running, path: str, name: str) -> None:
    form = FormData(default_to_multipart=True)
    form.add_field("file", SPOKEN, filename="speech.mp3")
    if path.endswith("v1"):
        form.add_field("model", "echo")
    answer = fetch(f"{echo_server.url}{path}/audio/{name}", "POST", data=form)
    assert json.loads(answer.body)["text"] == TEXT


def test_a_model_that_does_not_hear(echo_server: Running) -> None:
    answer = post(echo_server, model="nothing")
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (404, "model_not_found")


def test_a_body_without_a_file(echo_server: Running) -> None:
    answer = fetch(f"{echo_server.url}/v1/audio/transcriptions", "POST", json={"model": "echo"})
    assert answer.status == 415
    answer = post(echo_server, file="not a file")
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["param"] == "file"


def test_a_stream_that_cannot_begin_has_its_own_status(client: OpenAI) -> None:
    bad = ("a.mp3", b"\xff\xfe\x00")
    assert refusal(client, stream=True, file=bad) == ("invalid_value", "file")


def post(server: Running, **fields: Any) -> Any:
    """A form with these fields; `file` None leaves the file out, a text sends that as a field."""
    fields = {"model": "echo", **fields}
    form = FormData(default_to_multipart=True)
    if "file" not in fields:
        form.add_field("file", SPOKEN, filename="speech.mp3")
    for name, value in fields.items():
        if value is not None:
            form.add_field(name, value)
    return fetch(f"{server.url}/v1/audio/transcriptions", "POST", data=form)


def revealed_by(server: Running, **fields: Any) -> Any:
    return json.loads(json.loads(post(server, model="reveal", **fields).body)["text"])
