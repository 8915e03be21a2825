"""This server with another one as its upstream: answers equal direct ones."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace
from openai import APIStatusError, InternalServerError, NotFoundError, OpenAI

from openedai.config import ModelSpec
from tests.api.answers import chat, complete, refusal
from tests.engines.upstream import faults
from tests.engines.upstream.faults import FaultyServer, faulty_server
from tests.support import Running, ServerThread, echo_settings, fetch

TOOL = {"type": "function", "function": {"name": "paint", "parameters": {"type": "object"}}}
CALLS = '<tool_call>{"name": "paint", "arguments": {"colour": "red"}}</tool_call>' * 2


def upstream_models(server: Running) -> tuple[ModelSpec, ...]:
    """The upstream's models, each with an id here, and all of them under a prefix."""

    def upstream_model(id: str, model: str) -> ModelSpec:
        options = {"url": server.url, "server": "openedai", "model": model}
        return ModelSpec(id=id, engine="upstream", options=options)

    catalogue = ModelSpec(
        id="elsewhere",
        engine="upstream",
        prefix="far/",
        options={"url": server.url, "server": "openedai", "names": {"mine": "reveal"}},
    )
    dead = ModelSpec(
        id="nowhere", engine="upstream", prefix="dead/", options={"url": "http://127.0.0.1:1"}
    )
    names = ("echo", "reveal", "slow", "fails-first", "fails-later", "paints", "thinks")
    return (*(upstream_model(f"far-{name}", name) for name in names), catalogue, dead)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Running]:
    models = (
        *echo_settings().models,
        ModelSpec(id="paints", engine="echo", options={"reply": CALLS}),
        ModelSpec(id="thinks", engine="echo", options={"reply": "<think>Hm, hm.</think>Yes."}),
    )
    with ServerThread(echo_settings(models=models, api_key="sk-far")) as running:
        yield running


@pytest.fixture(scope="module")
def recorder() -> Iterator[FaultyServer]:
    """An upstream in a thread that records its requests."""
    ready, done = threading.Event(), asyncio.Event()
    started: list[tuple[asyncio.AbstractEventLoop, FaultyServer]] = []

    async def serve() -> None:
        async with faulty_server(faults.answers) as proxy:
            started.append((asyncio.get_running_loop(), proxy))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    ((loop, proxy),) = started
    yield proxy
    loop.call_soon_threadsafe(done.set)
    thread.join(30)


@pytest.fixture(scope="module")
def serving(upstream: Running, recorder: FaultyServer) -> Iterator[Running]:
    recorded = ModelSpec(
        id="recorded", engine="upstream", options={"url": recorder.url, "server": "vllm"}
    )
    models = [
        replace(spec, options={"key": "sk-far", **spec.options})
        for spec in upstream_models(upstream)
    ]
    settings = echo_settings(
        models=(*models, recorded), chat_model="far-echo", embedding_model="far-echo"
    )
    with ServerThread(settings) as running:
        yield running


@pytest.fixture
def client(serving: Running) -> Iterator[OpenAI]:
    with serving.client() as client:
        yield client


@pytest.fixture
def direct(upstream: Running) -> Iterator[OpenAI]:
    with upstream.client(api_key="sk-far") as client:
        yield client


@dataclass(frozen=True)
class Case:
    model: str
    body: dict[str, Any]


CASES = {
    "text": Case("echo", {"messages": "one two three"}),
    "limit": Case("echo", {"messages": "one two three", "max_tokens": 2}),
    "stop": Case("echo", {"messages": "one two three", "stop": " three"}),
    "several": Case("echo", {"messages": "one two", "n": 3}),
    "log probabilities": Case("echo", {"messages": "one two", "logprobs": True, "top_logprobs": 3}),
    "reasoning": Case("thinks", {"messages": "well?"}),
    "calls": Case("paints", {"messages": "paint", "tools": [TOOL]}),
    "one call": Case(
        "paints", {"messages": "paint", "tools": [TOOL], "parallel_tool_calls": False}
    ),
    "required": Case("echo", {"messages": "x", "tools": [TOOL], "tool_choice": "required"}),
    "functions": Case("paints", {"messages": "paint", "functions": [TOOL["function"]]}),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", CASES)
def test_chats_equal_direct_ones(client: OpenAI, direct: OpenAI, name: str, stream: bool) -> None:
    case = CASES[name]
    ours = chat(client, stream, model=f"far-{case.model}", **case.body)
    theirs = chat(direct, stream, model=case.model, **case.body)
    for choice in (*ours.choices, *theirs.choices):
        assert len(set(choice.ids)) == len(choice.ids)
        choice.ids.clear()
    assert ours.choices == theirs.choices
    assert ours.usage == theirs.usage


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "one two three"},
        {"prompt": ["one two", "three"], "n": 2},
        {"prompt": [1, 2, 3], "max_tokens": 2},
        {"prompt": "one two", "echo": True, "logprobs": 2},
        {"prompt": "one two three", "echo": True, "logprobs": 0, "max_tokens": 0},
    ],
)
def test_completions_equal_direct_ones(
    client: OpenAI, direct: OpenAI, stream: bool, body: dict[str, Any]
) -> None:
    ours = complete(client, stream, **{**body, "model": "far-echo"})
    theirs = complete(direct, stream, **{**body, "model": "echo"})
    assert ours == theirs


def test_embeddings_equal_direct_ones(client: OpenAI, direct: OpenAI) -> None:
    ours = client.embeddings.create(model="far-echo", input=["a", "b"], dimensions=5)
    theirs = direct.embeddings.create(model="echo", input=["a", "b"], dimensions=5)
    assert ours.model == "far-echo"
    assert [row.embedding for row in ours.data] == [row.embedding for row in theirs.data]
    assert ours.usage == theirs.usage


def test_the_upstream_engine_gets_every_parameter(client: OpenAI, direct: OpenAI) -> None:
    """The engine answers with the request that it got."""
    body = {
        "messages": [
            {"role": "system", "content": "be good"},
            {"role": "user", "content": "one two", "name": "me"},
        ],
        "temperature": 0.5,
        "top_p": 0.25,
        "seed": 7,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "logit_bias": {"5": -3},
        "max_tokens": 5000,
        "logprobs": True,
        "top_logprobs": 2,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "object"}},
        },
        "tools": [TOOL],
        "parallel_tool_calls": False,
        "chat_template_kwargs": {"a": 1},
        "top_k": 5,
        "min_p": 0.1,
        "dry_sequence_breakers": ["x"],
        "mirostat": 2,
    }

    def received(client: OpenAI, model: str) -> Any:
        answer = client.post(
            "/chat/completions", body={"model": model, **body}, cast_to=dict[str, Any]
        )
        return json.loads(answer["choices"][0]["message"]["content"])

    expected = received(direct, "reveal")
    assert expected.pop("streamed") is False  # while an upstream always streams to its server
    assert received(client, "far-reveal") == expected
    assert received(client, "far/mine") == expected


def test_errors_equal_direct_ones(client: OpenAI, direct: OpenAI) -> None:
    for body in ({"temperature": 3}, {"reasoning_effort": "low"}, {"top_k": -2}):
        assert refusal(client, model="far-echo", **body) == refusal(direct, model="echo", **body)
    many = [{"role": "user", "content": "word " * 5000}]
    assert refusal(client, model="far-echo", messages=many) == (
        "context_length_exceeded",
        "messages",
    )


def test_a_model_that_the_upstream_does_not_have_is_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        chat(client, False, model="far/unheard-of", messages="hi")
    assert caught.value.code == "model_not_found"


def test_failures_of_the_upstream(client: OpenAI) -> None:
    for stream in (False, True):
        with pytest.raises(InternalServerError) as caught:
            chat(client, stream, model="far-fails-first", messages="hi")
        assert caught.value.status_code == 502
    with pytest.raises(Exception, match="told to fail"):
        chat(client, True, model="far-fails-later", messages="one two three four")


def test_a_wrong_key_of_the_upstream_is_a_bad_gateway(upstream: Running) -> None:
    options = {"url": upstream.url, "key": "sk-wrong", "model": "echo"}
    model = ModelSpec(id="far", engine="upstream", options=options)
    settings = echo_settings(models=(model,), chat_model="far", embedding_model="far")
    with ServerThread(settings) as running, running.client() as client:
        with pytest.raises(APIStatusError) as caught:
            chat(client, False, model="far", messages="hi")
        assert caught.value.status_code == 502
        assert "key" in caught.value.message
        assert "sk-wrong" not in caught.value.message


def test_a_client_that_leaves_ends_the_request_to_the_upstream(
    client: OpenAI, upstream: Running
) -> None:
    stream = client.chat.completions.create(
        model="far-slow", messages=[{"role": "user", "content": "a b c"}], stream=True
    )
    next(iter(stream))
    assert running_requests(upstream) == 1
    stream.close()
    while running_requests(upstream):
        pass


def running_requests(server: Running) -> int:
    """Of the slow model, by the server's metrics."""
    headers = {"authorization": "Bearer sk-far"}
    text = fetch(f"{server.url}/metrics", headers=headers).body.decode()
    (line,) = [x for x in text.splitlines() if x.startswith('openedai_model_running{model="slow"')]
    return int(float(line.split()[-1]))


def test_parameters_that_only_the_upstream_knows_are_passed_on(
    client: OpenAI, recorder: FaultyServer
) -> None:
    """`store` and `metadata` are not: the answer is stored here."""
    body = {
        "model": "recorded",
        "messages": [{"role": "user", "content": "hi"}],
        "guided_choice": ["a", "b"],
        "store": True,
        "verbosity": "low",
        "metadata": {"a": "b"},
        "user": "me",
        "repeat_penalty": 1.5,
        "max_tokens": 3,
    }
    for stream in (False, True):
        recorder.requests.clear()
        client.post("/chat/completions", body={**body, "stream": stream}, cast_to=object)
        (requested,) = recorder.requests
        assert requested.body == {
            "model": "recorded",
            "messages": [{"role": "user", "content": "hi"}],
            "guided_choice": ["a", "b"],
            "verbosity": "low",
            "user": "me",
            "repetition_penalty": 1.5,
            "max_tokens": 3,
            "stream": True,
            "stream_options": {"include_usage": True},
        }


CHECKED: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"guided_choice": ["a"], "temperature": 3}, ("decimal_above_max_value", "temperature")),
    ({"modalities": ["audio"]}, ("missing_required_parameter", "audio")),
    ({"audio": {"voice": "x"}}, ("missing_required_parameter", "audio.format")),
    (
        {"repetition_penalty": 1.2, "repeat_penalty": 1.1},
        ("invalid_value", "repetition_penalty"),
    ),
    (
        {"messages": [{"role": "user", "content": "a", "x": 1}], "y": 2},
        ("unknown_parameter", "messages[0].x"),
    ),
]


@pytest.mark.parametrize(("body", "expected"), CHECKED)
def test_known_parameters_are_checked(
    client: OpenAI, body: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert refusal(client, model="recorded", **body) == expected


def test_other_models_refuse_unknown_parameters(echo_server: Running) -> None:
    with echo_server.client() as client:
        assert refusal(client, no_such=["a"]) == ("unknown_parameter", "no_such")
        assert refusal(client, web_search_options={}) == (
            "unsupported_parameter",
            "web_search_options",
        )


def test_completions_and_embeddings_pass_unknown_parameters_on(
    client: OpenAI, recorder: FaultyServer
) -> None:
    recorder.requests.clear()
    client.post(
        "/completions", body={"model": "recorded", "prompt": "a", "min_tokens": 2}, cast_to=object
    )
    with pytest.raises(APIStatusError):  # it only ever streams
        client.post(
            "/embeddings",
            body={"model": "recorded", "input": "a", "truncate_prompt_tokens": 5, "user": "me"},
            cast_to=object,
        )
    first, second = (requested.body for requested in recorder.requests)
    assert first["min_tokens"] == 2
    assert (second["truncate_prompt_tokens"], second["user"]) == (5, "me")


def test_the_models_of_the_upstream_are_listed(serving: Running, client: OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert {"far-echo", "far/echo", "far/mine", "far/owner/echo:latest"} <= names
    assert "far/reveal" not in names, "it has its own id here"
    assert not any(name.startswith("dead/") for name in names)
    assert client.models.retrieve("far/echo").id == "far/echo"
    assert chat(client, False, model="far/echo", messages="hi").only.text == "hi"
