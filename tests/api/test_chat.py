"""`POST /v1/chat/completions` with the official client, on the echo engine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import APIError, BadRequestError, InternalServerError, NotFoundError, OpenAI
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessageParam,
)
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from openedai.api.chat.types import ChatCompletionRequest
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


def test_length(client: OpenAI) -> None:
    limits: list[dict[str, Any]] = [{"max_tokens": 2}, {"max_completion_tokens": 2}]
    for limit in limits:
        answer = client.chat.completions.create(model="echo", messages=HELLO, **limit)
        assert answer.choices[0].message.content == "one two"
        assert answer.choices[0].finish_reason == "length"


def test_stop(client: OpenAI) -> None:
    stops: list[str | list[str]] = [" two", ["never", " two"]]
    for stop in stops:
        answer = client.chat.completions.create(model="echo", messages=HELLO, stop=stop)
        assert answer.choices[0].message.content == "one"
        assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices(client: OpenAI, stream: bool) -> None:
    if stream:
        texts = ["", "", ""]
        for chunk in client.chat.completions.create(
            model="echo", messages=HELLO, n=3, stream=True, stream_options={"include_usage": True}
        ):
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
        usage = chunk.usage
    else:
        answer = client.chat.completions.create(model="echo", messages=HELLO, n=3)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        texts = [choice.message.content or "" for choice in answer.choices]
        usage = answer.usage
    assert texts == ["one two three"] * 3
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (4, 9)


def test_parameters_reach_the_engine(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="reveal",
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "a"}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}],
            },
            {"role": "assistant", "content": "d", "name": "ann"},
            {"role": "tool", "content": "e", "tool_call_id": "call_1"},
            {"role": "user", "content": "f"},
        ],
        temperature=0.5,
        top_p=0.25,
        presence_penalty=1,
        frequency_penalty=-1,
        logit_bias={"5": -100},
        seed=7,
        stop="END",
        max_tokens=100,
        user="someone",
    )
    assert json.loads(answer.choices[0].message.content or "") == {
        "prompt": {
            "type": "chat",
            "messages": [
                {"role": "system", "content": "a"},
                {"role": "user", "content": "bc"},
                {"role": "assistant", "content": "d", "name": "ann"},
                {"role": "tool", "content": "e"},
                {"role": "user", "content": "f"},
            ],
        },
        "sampling": {
            "temperature": 0.5,
            "top_p": 0.25,
            "presence_penalty": 1.0,
            "frequency_penalty": -1.0,
            "logit_bias": [[5, -100.0]],
            "seed": 7,
        },
        "stop": ["END"],
        "max_tokens": 100,
    }


def test_alias_is_answered_with_the_real_model(client: OpenAI) -> None:
    for name in ("parrot", "gpt-4o", "gpt-3.5-turbo"):
        assert client.chat.completions.create(model=name, messages=HELLO).model == "echo"


def test_unknown_model(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as caught:
        client.chat.completions.create(model="nope", messages=HELLO)
    assert caught.value.code == "model_not_found"


REFUSED = {
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "response_format": {"type": "json_object"},
    "logprobs": True,
    "top_logprobs": 2,
    "functions": [{"name": "f"}],
    "reasoning_effort": "low",
    "store": True,
    "prediction": {"type": "content", "content": "x"},
    "modalities": ["text", "audio"],
    "audio": {"voice": "alloy", "format": "mp3"},
    "service_tier": "flex",
    "web_search_options": {},
    "metadata": {"a": "b"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_yet_there_is_refused(client: OpenAI, name: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(
            model="echo", messages=HELLO, extra_body={name: REFUSED[name]}
        )
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", name)


def test_what_asks_for_nothing_is_accepted(client: OpenAI) -> None:
    neutral = {
        "tools": [],
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
    assert official == set(ChatCompletionRequest.model_fields)


BAD = [
    ({"messages": []}, "array_below_min_length", "messages"),
    ({"messages": None}, "invalid_type", "messages"),
    ({"messages": [{"role": "user", "content": 5}]}, "invalid_type", "messages[0].content"),
    ({"messages": [{"role": "king", "content": "x"}]}, "invalid_value", "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "missing_required_parameter", "messages[0].content"),
    ({"messages": ["x"]}, "invalid_type", "messages[0]"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "invalid_value",
        "messages[0].content[0].type",
    ),
    (
        {"messages": [{"role": "user", "content": "x", "mood": 1}]},
        "unknown_parameter",
        "messages[0].mood",
    ),
    ({"temperature": "hot"}, "invalid_type", "temperature"),
    ({"temperature": 2.1}, "decimal_above_max_value", "temperature"),
    ({"temperature": -1}, "decimal_below_min_value", "temperature"),
    ({"top_p": 1.5}, "decimal_above_max_value", "top_p"),
    ({"presence_penalty": 3}, "decimal_above_max_value", "presence_penalty"),
    ({"frequency_penalty": -3}, "decimal_below_min_value", "frequency_penalty"),
    ({"n": 0}, "integer_below_min_value", "n"),
    ({"n": 129}, "integer_above_max_value", "n"),
    ({"n": True}, "invalid_type", "n"),
    ({"max_tokens": 0}, "integer_below_min_value", "max_tokens"),
    ({"max_tokens": 1.5}, "invalid_type", "max_tokens"),
    ({"max_tokens": 1, "max_completion_tokens": 1}, "invalid_value", "max_tokens"),
    ({"stop": 5}, "invalid_type", "stop"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "array_above_max_length", "stop"),
    ({"logit_bias": {"cat": 1}}, "invalid_value", "logit_bias"),
    ({"logit_bias": {"1": 101}}, "decimal_above_max_value", "logit_bias.1"),
    ({"seed": "x"}, "invalid_type", "seed"),
    ({"stream": "yes"}, "invalid_type", "stream"),
    ({"stream_options": {"include_usage": True}}, "invalid_value", "stream_options"),
    ({"zzz": 1}, "unknown_parameter", "zzz"),
    ({"model": 5}, "invalid_type", "model"),
]


@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_bad_requests(client: OpenAI, change: dict[str, object], code: str, param: str) -> None:
    body = {"model": "echo", "messages": HELLO, **change}
    with pytest.raises(BadRequestError) as caught:
        client.post("/chat/completions", body=body, cast_to=object)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.type == "invalid_request_error"


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
