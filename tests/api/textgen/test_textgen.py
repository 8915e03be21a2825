"""The internal API of text-generation-webui, and generations that are stopped early."""

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
    fetch,
    occupancy,
    wait_until,
)

ENDLESS: dict[str, Any] = {"delay": 0.001, "repeat": 10**6, "context": 10**9, "slots": 8}
MODELS = (
    *ECHO_MODELS,
    ModelSpec(id="endless", engine="echo", options=ENDLESS),
    ModelSpec(id="endless-hosted", engine="echo", options={**ENDLESS, "worker": True}),
    ModelSpec(
        id="endless-reasoning",
        engine="echo",
        options={**ENDLESS, "reply": "<think> " + "hm " * 1000},
    ),
    ModelSpec(id="adapted", engine="echo", adapters=(AdapterSpec(name="poet", source="p.gguf"),)),
    ModelSpec(id="silent", engine="echo", options={"delay": 10**6}),
)
MESSAGES: Any = [{"role": "user", "content": "a b"}]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with ServerThread(echo_settings(models=MODELS)) as running:
        yield running


@pytest.fixture
def new_server() -> Iterator[Running]:
    """For tests that change the current model."""
    with ServerThread(echo_settings(models=MODELS)) as running:
        yield running


def call(server: Running, name: str, body: Any = None, key: str = "dummy") -> tuple[int, Any]:
    """A GET, or a POST of a body; an empty text is an empty body."""
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


def load(server: Running, model: str) -> None:
    assert call(server, "token-count", {"text": "a", "model": model})[0] == 200


def test_tokens(server: Running) -> None:
    ok, body = call(server, "encode", {"text": "one two"})
    assert (ok, body["length"], len(body["tokens"])) == (200, 2, 2)
    assert call(server, "token-count", {"text": "one two"}) == (200, {"length": 2})
    assert call(server, "decode", {"tokens": body["tokens"]}) == (200, {"text": "one two"})
    named = {"tokens": body["tokens"], "model": "hosted"}
    assert call(server, "decode", named)[0] == 400  # its vocabulary does not have these words
    assert call(server, "token-count", {"text": "a", "model": "nobody"})[0] == 404


def test_the_current_model(new_server: Running) -> None:
    def info() -> Any:
        return call(new_server, "model/info")[1]

    assert info() == {"model_name": "None", "lora_names": []}
    assert call(new_server, "token-count", {"text": "a"})[0] == 200
    assert info()["model_name"] == "echo"
    assert call(new_server, "model/load", {"model_name": "parrot"}) == (200, "OK")
    assert (
        call(new_server, "model/load", {"model_name": "hosted", "args": {}, "settings": None})[0]
        == 200
    )
    assert info()["model_name"] == "hosted"
    for _ in range(2):
        assert call(new_server, "model/unload", "") == (200, "OK")
        assert info()["model_name"] == "None"


def test_a_model_that_cannot_be_loaded_does_not_become_the_current_one(new_server: Running) -> None:
    assert call(new_server, "model/load", {"model_name": "unloadable"})[0] == 500
    assert call(new_server, "token-count", {"text": "a"})[0] == 200
    assert call(new_server, "model/info")[1] == {"model_name": "echo", "lora_names": []}


def test_the_adapter_of_the_current_model(new_server: Running) -> None:
    assert call(new_server, "model/load", {"model_name": "adapted:poet"}) == (200, "OK")
    assert call(new_server, "model/info")[1] == {
        "model_name": "adapted:poet",
        "lora_names": ["poet"],
    }


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
    status, answer = call(server, name, body or {"": 1})
    assert (status, answer["error"]["param"]) == (400, param)


def test_a_model_in_use_is_not_unloaded(new_server: Running) -> None:
    assert call(new_server, "model/load", {"model_name": "endless"})[0] == 200
    with new_server.client() as client:
        stream = client.chat.completions.create(model="endless", messages=MESSAGES, stream=True)
        next(stream)
        status, body = call(new_server, "model/unload", "")
        assert (status, body["error"]["code"]) == (503, "model_in_use")
        stop(new_server)
        assert list(stream)[-1].choices[0].finish_reason == "stop"
    wait_until(lambda: call(new_server, "model/unload", "")[0] == 200)


@pytest.mark.parametrize("model", ["endless", "endless-hosted"])
def test_a_stream_is_stopped(server: Running, model: str) -> None:
    with server.client() as client:
        stream = client.chat.completions.create(
            model=model, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        deltas = [next(stream).choices[0].delta.content for _ in range(3)]
        stop(server)
        *rest, last = stream
        deltas += [chunk.choices[0].delta.content for chunk in rest]
    assert rest[-1].choices[0].finish_reason == "stop"
    text = "".join(delta or "" for delta in deltas)
    assert text.startswith("a b")
    assert last.usage is not None
    assert last.usage.prompt_tokens == 3
    assert last.usage.completion_tokens == len(text.split()) <= len(deltas)
    wait_until(lambda: occupancy(server, model)[0] == 0)
    assert len(server.app.state.services.generation.active) == 0


def test_an_answer_that_is_not_streamed_is_stopped(server: Running) -> None:
    def complete(client: OpenAI) -> Any:
        return client.chat.completions.create(model="endless", messages=MESSAGES, n=2)

    load(server, "endless")
    with server.client() as client, ThreadPoolExecutor() as threads:
        request = threads.submit(complete, client)
        wait_until(lambda: occupancy(server, "endless")[0] == 2)
        stop(server)
        answer = request.result(30)
    assert [choice.finish_reason for choice in answer.choices] == ["stop", "stop"]
    texts = [choice.message.content or "" for choice in answer.choices]
    assert answer.usage.completion_tokens == sum(len(text.split()) for text in texts)


def test_an_answer_without_a_first_token_is_stopped(server: Running) -> None:
    """The request waits for the first token."""
    load(server, "silent")
    with server.client() as client, ThreadPoolExecutor() as threads:
        request = threads.submit(
            client.completions.create, model="silent", prompt="a b c", max_tokens=5
        )
        wait_until(lambda: occupancy(server, "silent")[0] == 1)
        stop(server)
        answer = request.result(30)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("", "stop")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 0)


def test_the_reasoning_of_a_stopped_answer_is_counted(server: Running) -> None:
    with server.client() as client:
        stream = client.chat.completions.create(
            model="endless-reasoning",
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
        )
        next(stream)
        stop(server)
        *_, last = stream
    assert last.usage is not None
    assert last.usage.completion_tokens_details is not None
    assert last.usage.completion_tokens_details.reasoning_tokens == last.usage.completion_tokens > 0


def test_generations_of_other_callers_continue(server: Running) -> None:
    with server.client(api_key="own") as own, server.client(api_key="other") as other:
        streams = [
            client.chat.completions.create(model="endless", messages=MESSAGES, stream=True)
            for client in (own, own, other)
        ]
        for stream in streams:
            next(stream)
        stop(server, "own")
        for stream in streams[:2]:
            assert list(stream)[-1].choices[0].finish_reason == "stop"
        assert next(streams[2]).choices[0].finish_reason is None
        assert occupancy(server, "endless")[0] == 1
        stop(server, "nobody")
        assert next(streams[2]).choices[0].finish_reason is None
        streams[2].close()
    wait_until(lambda: occupancy(server, "endless")[0] == 0)


def test_the_next_request_is_not_stopped(server: Running) -> None:
    stop(server)
    with server.client() as client:
        answer = client.chat.completions.create(model="echo", messages=MESSAGES)
    assert answer.choices[0].message.content == "a b"


@pytest.mark.real
def test_a_real_answer_is_stopped(real_server: Running) -> None:
    with real_server.client(timeout=300) as client:
        stream = client.chat.completions.create(
            model="smollm2-135m-instruct",
            messages=[{"role": "user", "content": "Tell me a very long story."}],
            stream=True,
            stream_options={"include_usage": True},
        )
        deltas = [next(stream).choices[0].delta.content or "" for _ in range(5)]
        stop(real_server)
        *rest, last = stream
        deltas += [chunk.choices[0].delta.content or "" for chunk in rest]
        token_count = call(real_server, "token-count", {"text": "".join(deltas)})[1]["length"]
    assert rest[-1].choices[0].finish_reason == "stop"
    assert last.usage is not None
    assert last.usage.completion_tokens == pytest.approx(token_count, abs=1)
    assert last.usage.prompt_tokens > 5
    wait_until(lambda: occupancy(real_server, "smollm2-135m-instruct")[0] == 0)
