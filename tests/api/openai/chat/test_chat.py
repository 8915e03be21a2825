"""`POST /v1/chat/completions` with the official client, on the echo engine."""

from __future__ import annotations

from typing import Any

import pytest
from openai import APIError, BadRequestError, InternalServerError, NotFoundError, OpenAI
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessageParam,
)
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from openedai.api.openai.chat.types import ChatCompletionRequest
from tests.api.answers import chat, refusal
from tests.support import Running, fetch

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "one two three"}]


def test_whole(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="echo", messages=HELLO)
    ChatCompletion.model_validate(answer.to_dict(), strict=True)
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == "echo"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == "one two three"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 3)
    assert answer.usage.total_tokens == 7


def test_streamed(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="echo", messages=HELLO, stream=True))
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True)
        assert "usage" not in chunk.to_dict()
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert deltas[0].role == "assistant"
    assert all(delta.role is None for delta in deltas[1:])
    assert "".join(delta.content or "" for delta in deltas) == "one two three"
    assert deltas[-1].to_dict() == {}
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 4 + ["stop"]


def test_streamed_usage(client: OpenAI) -> None:
    *chunks, last = client.chat.completions.create(
        model="echo", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    assert all(chunk.to_dict()["usage"] is None for chunk in chunks)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 3


def test_stream_ends_with_done(echo_server: Running) -> None:
    body = {"model": "echo", "messages": HELLO, "stream": True}
    answer = fetch(f"{echo_server.url}/v1/chat/completions", "POST", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    frames = answer.body.decode().split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""]
    assert all(frame.startswith("data: ") for frame in frames[:-1])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_length(client: OpenAI, name: str, stream: bool) -> None:
    answer = chat(client, stream, messages="one two three", **{name: 2})
    assert (answer.only.text, answer.only.reason) == ("one two", "length")
    assert answer.usage.completion_tokens == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("stop", "text", "tokens"),
    [
        (" two", "one", 2),
        (["never", " two"], "one", 2),
        ("wo thr", "one t", 3),
        (["three", "two three"], "one ", 3),
        ("never", "one two three", 3),
        ("three four", "one two three", 3),
        ("", "one two three", 3),
        ([], "one two three", 3),
    ],
)
def test_stop(client: OpenAI, stop: object, text: str, tokens: int, stream: bool) -> None:
    answer = chat(client, stream, messages="one two three", stop=stop)
    assert (answer.only.text, answer.only.reason) == (text, "stop")
    assert answer.usage.completion_tokens == tokens


@pytest.mark.parametrize("stream", [False, True])
def test_a_partial_stop_text_is_kept_at_the_limit(client: OpenAI, stream: bool) -> None:
    answer = chat(client, stream, messages="one two three", stop=" two three", max_tokens=2)
    assert (answer.only.text, answer.only.reason) == ("one two", "length")


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices(client: OpenAI, stream: bool) -> None:
    answer = chat(client, stream, messages="one two three", n=3)
    assert [choice.text for choice in answer.choices] == ["one two three"] * 3
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 9)


def test_alias_is_answered_with_the_real_model(client: OpenAI) -> None:
    for name in ("parrot", "gpt-4o", "gpt-3.5-turbo"):
        assert client.chat.completions.create(model=name, messages=HELLO).model == "echo"


def test_unknown_model(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.chat.completions.create(model="nope", messages=HELLO)
    assert caught.value.code == "model_not_found"


REFUSED: dict[str, Any] = {
    "reasoning_effort": "low",
    "web_search_options": {},
}


@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_parameters_are_refused(client: OpenAI, name: str) -> None:
    assert refusal(client, **{name: REFUSED[name]}) == ("unsupported_parameter", name)


WITHOUT_EFFECT = {
    "metadata": {"a": "b"},
    "prediction": {"type": "content", "content": [{"type": "text", "text": "one two"}]},
    "prompt_cache_key": "key",
    "prompt_cache_options": {"mode": "implicit", "ttl": "30m"},
    "prompt_cache_retention": "24h",
    "safety_identifier": "someone",
    "service_tier": "priority",
    "user": "someone",
    "verbosity": "low",
}


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_parameters_without_effect_are_accepted(client: OpenAI, name: str) -> None:
    plain = chat(client, False, model="reveal", messages="hi")
    answer = chat(client, False, model="reveal", messages="hi", **{name: WITHOUT_EFFECT[name]})
    assert answer.only == plain.only


def test_neutral_values_are_accepted(client: OpenAI) -> None:
    neutral = {
        "tools": [],
        "tool_choice": "none",
        "functions": [],
        "function_call": "auto",
        "response_format": {"type": "text"},
        "logprobs": False,
        "store": False,
        "service_tier": "auto",
        "modalities": ["text"],
        "reasoning_effort": None,
        "temperature": None,
        "stop": None,
    }
    answer = client.chat.completions.create(model="echo", messages=HELLO, extra_body=neutral)
    assert answer.choices[0].message.content == "one two three"


def test_every_official_parameter_is_known() -> None:
    official = set(CompletionCreateParamsBase.__annotations__) | {"stream"}
    assert official <= set(ChatCompletionRequest.model_fields)


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"max_tokens": 0}, "integer_below_min_value", "max_tokens"),
    ({"max_tokens": 1.5}, "invalid_type", "max_tokens"),
    ({"max_completion_tokens": 0}, "integer_below_min_value", "max_completion_tokens"),
    ({"max_tokens": 1, "max_completion_tokens": 1}, "invalid_value", "max_tokens"),
    ({"metadata": {"a": 5}}, "invalid_type", "metadata.a"),
    ({"metadata": {"a": "x" * 513}}, "string_above_max_length", "metadata.a"),
    ({"prediction": {"type": "content"}}, "missing_required_parameter", "prediction.content"),
    ({"service_tier": "gold"}, "invalid_value", "service_tier"),
    ({"zzz": 1}, "unknown_parameter", "zzz"),
    ({"model": 5}, "invalid_type", "model"),
]


@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_bad_requests(client: OpenAI, change: dict[str, Any], code: str, param: str) -> None:
    assert refusal(client, **change) == (code, param)


def test_stream_is_a_boolean(client: OpenAI) -> None:
    body = {"model": "echo", "messages": HELLO, "stream": "yes"}
    with pytest.raises(BadRequestError) as caught:
        client.post("/chat/completions", body=body, cast_to=object)
    assert (caught.value.code, caught.value.param) == ("invalid_type", "stream")


def test_context_overflow(client: OpenAI) -> None:
    long: list[ChatCompletionMessageParam] = [{"role": "user", "content": "word " * 5000}]
    for stream in (False, True):
        with pytest.raises(BadRequestError) as caught:
            client.chat.completions.create(model="echo", messages=long, stream=stream)
        assert caught.value.code == "context_length_exceeded"
        assert "4096 tokens" in caught.value.message
        assert "5002 tokens" in caught.value.message


@pytest.mark.parametrize("stream", [False, True])
def test_failure_before_the_first_token_keeps_its_status(client: OpenAI, stream: bool) -> None:
    with pytest.raises(InternalServerError) as caught:
        client.chat.completions.create(model="fails-first", messages=HELLO, stream=stream)
    assert caught.value.type == "server_error"


def test_failure_in_a_stream_is_a_frame(client: OpenAI) -> None:
    chunks = client.chat.completions.create(model="fails-later", messages=HELLO, stream=True)
    assert [next(chunks).choices[0].delta.content for _ in range(3)] == ["", "one", " two"]
    with pytest.raises(APIError) as caught:
        next(chunks)
    assert "told to fail" in caught.value.message


def test_crashed_worker_and_the_request_after_it(client: OpenAI) -> None:
    for _ in range(2):
        with pytest.raises(InternalServerError) as caught:
            client.chat.completions.create(model="crashes", messages=HELLO)
        assert caught.value.code == "engine_crashed"
        chunks = client.chat.completions.create(model="crashes", messages=HELLO, stream=True)
        with pytest.raises(APIError) as broken:
            list(chunks)
        assert broken.value.code == "engine_crashed"


def test_hosted_engine(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="hosted", messages=HELLO)
    assert answer.choices[0].message.content == "one two three"


def test_unloadable_model(client: OpenAI) -> None:
    with pytest.raises(InternalServerError) as caught:
        client.chat.completions.create(model="unloadable", messages=HELLO)
    assert "The weights are bad." in caught.value.message
