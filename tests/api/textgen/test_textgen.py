"""The internal API of text-generation-webui, and generations that are ended early."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import OpenAI

from openedai.config import AdapterSpec, ModelSpec
from tests.support import (
    ECHO_MODELS,
    Running,
    ServerThread,
    echo_settings,
    eventually,
    fetch,
    status,
)

ENDLESS: dict[str, Any] = {"delay": 0.001, "repeat": 10**6, "context": 10**9, "slots": 8}
MODELS = (
    *ECHO_MODELS,
    ModelSpec(id="endless", engine="echo", options=ENDLESS),
    ModelSpec(id="endless-hosted", engine="echo", options={**ENDLESS, "worker": True}),
    ModelSpec(
        id="endless-thoughts",
        engine="echo",
        options={**ENDLESS, "reply": "<think> " + "hm " * 1000},
    ),
    ModelSpec(id="adapted", engine="echo", adapters=(AdapterSpec(name="poet", source="p.gguf"),)),
    ModelSpec(id="silent", engine="echo", options={"delay": 10**6}),
)
SAY: Any = [{"role": "user", "content": "a b"}]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with ServerThread(echo_settings(models=MODELS)) as running:
        yield running


@pytest.fixture
def fresh() -> Iterator[Running]:
    """For what changes the model that is worked with."""
    with ServerThread(echo_settings(models=MODELS)) as running:
        yield running


def call(server: Running, name: str, body: Any = None, key: str = "dummy") -> tuple[int, Any]:
    """A GET, or a POST of a body; an empty text posts nothing."""
    method = "GET" if body is None else "POST"
    answer = fetch(
        f"{server.url}/v1/internal/{name}",
        method,
        json=body or None,
        headers={"authorization": f"Bearer {key}"},
    )
    return answer.status, json.loads(answer.body)


def stop(server: Running, key: str = "dummy") -> None:
    assert call(server, "stop-generation", "", key) == (200, "OK")


def loaded(server: Running, model: str) -> None:
    assert call(server, "token-count", {"text": "a", "model": model})[0] == 200


def test_tokens(server: Running) -> None:
    ok, found = call(server, "encode", {"text": "one two"})
    assert (ok, found["length"], len(found["tokens"])) == (200, 2, 2)
    assert call(server, "token-count", {"text": "one two"}) == (200, {"length": 2})
    assert call(server, "decode", {"tokens": found["tokens"]}) == (200, {"text": "one two"})
    named = {"tokens": found["tokens"], "model": "hosted"}
    assert call(server, "decode", named)[0] == 400  # that one has not seen these words
    assert call(server, "token-count", {"text": "a", "model": "nobody"})[0] == 404


def test_the_model_that_is_worked_with(fresh: Running) -> None:
    def info() -> Any:
        return call(fresh, "model/info")[1]

    assert info() == {"model_name": "None", "lora_names": []}
    assert call(fresh, "token-count", {"text": "a"})[0] == 200
    assert info()["model_name"] == "echo"
    assert call(fresh, "model/load", {"model_name": "parrot"}) == (200, "OK")
    assert (
        call(fresh, "model/load", {"model_name": "hosted", "args": {}, "settings": None})[0] == 200
    )
    assert info()["model_name"] == "hosted"
    for _ in range(2):
        assert call(fresh, "model/unload", "") == (200, "OK")
        assert info()["model_name"] == "None"


def test_a_model_that_cannot_be_loaded_is_not_worked_with(fresh: Running) -> None:
    assert call(fresh, "model/load", {"model_name": "unloadable"})[0] == 500
    assert call(fresh, "token-count", {"text": "a"})[0] == 200
    assert call(fresh, "model/info")[1] == {"model_name": "echo", "lora_names": []}


def test_an_adapter_is_named(fresh: Running) -> None:
    assert call(fresh, "model/load", {"model_name": "adapted:poet"}) == (200, "OK")
    assert call(fresh, "model/info")[1] == {"model_name": "adapted:poet", "lora_names": ["poet"]}


def test_the_names_of_the_models(server: Running) -> None:
    assert set(call(server, "model/list")[1]["model_names"]) == {
        "adapted:poet",
        *(spec.id for spec in MODELS),
    }


@pytest.mark.parametrize(
    ("name", "body", "param"),
    [
        ("model/load", {}, "model_name"),
        ("model/load", {"model_name": "echo", "args": {"n_gpu_layers": 1}}, "args.n_gpu_layers"),
        ("model/load", {"model_name": "echo", "settings": {"mode": "x"}}, "settings.mode"),
        ("encode", {"text": 5}, "text"),
        ("token-count", {"prompt": "a"}, "text"),
        ("decode", {"tokens": [-1]}, "tokens[0]"),
    ],
    ids=str,
)
def test_bad_bodies(server: Running, name: str, body: Any, param: str) -> None:
    refused, found = call(server, name, body or {"": 1})
    assert (refused, found["error"]["param"]) == (400, param)


def test_a_model_in_use_is_not_unloaded(fresh: Running) -> None:
    assert call(fresh, "model/load", {"model_name": "endless"})[0] == 200
    with fresh.client() as client:
        stream = client.chat.completions.create(model="endless", messages=SAY, stream=True)
        next(stream)
        busy, found = call(fresh, "model/unload", "")
        assert (busy, found["error"]["code"]) == (503, "model_in_use")
        stop(fresh)
        assert list(stream)[-1].choices[0].finish_reason == "stop"
    eventually(lambda: call(fresh, "model/unload", "")[0] == 200)


@pytest.mark.parametrize("model", ["endless", "endless-hosted"])
def test_a_stream_is_ended(server: Running, model: str) -> None:
    with server.client() as client:
        stream = client.chat.completions.create(
            model=model, messages=SAY, stream=True, stream_options={"include_usage": True}
        )
        said = [next(stream).choices[0].delta.content for _ in range(3)]
        stop(server)
        *rest, last = stream
        said += [chunk.choices[0].delta.content for chunk in rest]
    assert rest[-1].choices[0].finish_reason == "stop"
    text = "".join(piece or "" for piece in said)
    assert text.startswith("a b")
    assert last.usage is not None
    assert last.usage.prompt_tokens == 3
    assert last.usage.completion_tokens == len(text.split()) <= len(said)
    eventually(lambda: status(server, model)[0] == 0)
    assert len(server.app.state.services.generation.active) == 0


def test_a_whole_answer_is_ended(server: Running) -> None:
    def ask(client: OpenAI) -> Any:
        return client.chat.completions.create(model="endless", messages=SAY, n=2)

    loaded(server, "endless")
    with server.client() as client, ThreadPoolExecutor() as threads:
        asking = threads.submit(ask, client)
        eventually(lambda: status(server, "endless")[0] == 2)
        stop(server)
        answer = asking.result(30)
    assert [choice.finish_reason for choice in answer.choices] == ["stop", "stop"]
    said = [choice.message.content or "" for choice in answer.choices]
    assert answer.usage.completion_tokens == sum(len(text.split()) for text in said)


def test_an_answer_that_has_not_begun_is_ended(server: Running) -> None:
    """The engine is silent, and the request waits for its first word."""
    loaded(server, "silent")
    with server.client() as client, ThreadPoolExecutor() as threads:
        asking = threads.submit(
            client.completions.create, model="silent", prompt="a b c", max_tokens=5
        )
        eventually(lambda: status(server, "silent")[0] == 1)
        stop(server)
        answer = asking.result(30)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("", "stop")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 0)


def test_thoughts_are_counted(server: Running) -> None:
    with server.client() as client:
        stream = client.chat.completions.create(
            model="endless-thoughts",
            messages=SAY,
            stream=True,
            stream_options={"include_usage": True},
        )
        next(stream)
        stop(server)
        *_, last = stream
    assert last.usage is not None
    assert last.usage.completion_tokens_details is not None
    assert last.usage.completion_tokens_details.reasoning_tokens == last.usage.completion_tokens > 0


def test_generations_of_others_go_on(server: Running) -> None:
    with server.client(api_key="mine") as mine, server.client(api_key="hers") as hers:
        streams = [
            client.chat.completions.create(model="endless", messages=SAY, stream=True)
            for client in (mine, mine, hers)
        ]
        for stream in streams:
            next(stream)
        stop(server, "mine")
        for stream in streams[:2]:
            assert list(stream)[-1].choices[0].finish_reason == "stop"
        assert next(streams[2]).choices[0].finish_reason is None
        assert status(server, "endless")[0] == 1
        stop(server, "nobody")
        assert next(streams[2]).choices[0].finish_reason is None
        streams[2].close()
    eventually(lambda: status(server, "endless")[0] == 0)


def test_the_next_request_is_not_ended(server: Running) -> None:
    stop(server)
    with server.client() as client:
        answer = client.chat.completions.create(model="echo", messages=SAY)
    assert answer.choices[0].message.content == "a b"


@pytest.mark.real
def test_a_real_answer_is_ended(real_server: Running) -> None:
    with real_server.client(timeout=300) as client:
        stream = client.chat.completions.create(
            model="smollm2-135m-instruct",
            messages=[{"role": "user", "content": "Tell me a very long story."}],
            stream=True,
            stream_options={"include_usage": True},
        )
        said = [next(stream).choices[0].delta.content or "" for _ in range(5)]
        stop(real_server)
        *rest, last = stream
        said += [chunk.choices[0].delta.content or "" for chunk in rest]
        counted = call(real_server, "token-count", {"text": "".join(said)})[1]["length"]
    assert rest[-1].choices[0].finish_reason == "stop"
    assert last.usage is not None
    assert last.usage.completion_tokens == pytest.approx(counted, abs=1)
    assert last.usage.prompt_tokens > 5
    eventually(lambda: status(real_server, "smollm2-135m-instruct")[0] == 0)
