"""`POST /v1/completions` with the official client, on the echo engine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types import Completion
from openai.types.completion_create_params import CompletionCreateParamsBase

from openedai.api.openai.completions.types import CompletionRequest
from tests.api.answers import refusal
from tests.support import Running, fetch


def test_whole(client: OpenAI) -> None:
    answer = client.completions.create(model="echo", prompt="one two three")
    Completion.model_validate(answer.to_dict(), strict=True)
    assert answer.id.startswith("cmpl-")
    assert answer.object == "text_completion"
    assert answer.choices[0].text == "one two three"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 3)


def test_streamed(client: OpenAI) -> None:
    chunks = list(
        client.completions.create(
            model="echo", prompt="one two", stream=True, stream_options={"include_usage": True}
        )
    )
    *texts, last = chunks
    assert "".join(chunk.choices[0].text for chunk in texts) == "one two"
    assert [chunk.choices[0].finish_reason for chunk in texts] == [None, None, "stop"]
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 4


def test_default_is_16_tokens(client: OpenAI) -> None:
    answer = client.completions.create(model="echo", prompt="word " * 20)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 16


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a b", [{"type": "text", "text": "a b"}]),
        (["a", "b"], [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        ([5, 6], [{"type": "tokens", "ids": [5, 6]}]),
        ([[5], [6, 7]], [{"type": "tokens", "ids": [5]}, {"type": "tokens", "ids": [6, 7]}]),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_every_form_of_a_prompt(
    client: OpenAI, prompt: list[int], expected: list[dict[str, object]], stream: bool
) -> None:
    texts = [""] * len(expected)
    create: Any = client.completions.create
    answer = create(model="reveal", prompt=prompt, max_tokens=99, stream=stream)
    for part in answer if stream else [answer]:
        for choice in part.choices:
            texts[choice.index] += choice.text
    assert [json.loads(text)["prompt"] for text in texts] == expected


def test_choices_of_several_prompts_stay_together(client: OpenAI) -> None:
    answer = client.completions.create(model="echo", prompt=["a", "b c"], n=2)
    assert [choice.text for choice in answer.choices] == ["a", "a", "b c", "b c"]
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 6)


def test_seeds_differ_between_choices(client: OpenAI) -> None:
    answer = client.completions.create(model="reveal", prompt="a", n=2, seed=5, max_tokens=99)
    seeds = [json.loads(choice.text)["sampling"]["seed"] for choice in answer.choices]
    assert seeds == [5, 6]


def test_the_older_url(echo_server: Running) -> None:
    body = {"model": "echo", "prompt": "hi"}
    answer = fetch(f"{echo_server.url}/v1/text_completion", "POST", json=body)
    assert Completion.model_validate_json(answer.body).choices[0].text == "hi"


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"prompt": 5}, "invalid_type", "prompt"),
        ({"prompt": []}, "array_below_min_length", "prompt"),
        ({"prompt": [[]]}, "array_below_min_length", "prompt[0]"),
        ({"prompt": [1, "a"]}, "invalid_type", "prompt[1]"),
        ({"prompt": ["a", 1]}, "invalid_type", "prompt[1]"),
        ({"prompt": [-1]}, "integer_below_min_value", "prompt[0]"),
        ({"max_tokens": 0}, "integer_below_min_value", "max_tokens"),
        ({"prompt": ["a"] * 100, "n": 100}, "invalid_value", "n"),
        ({"messages": []}, "unknown_parameter", "messages"),
    ],
)
def test_bad_requests(client: OpenAI, change: dict[str, object], code: str, param: str) -> None:
    assert refusal(client, "/completions", **{"prompt": "x", **change}) == (code, param)


def test_context_overflow_names_the_prompt(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.completions.create(model="echo", prompt="x " * 5000)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "prompt")


def test_every_official_parameter_is_known() -> None:
    official = set(CompletionCreateParamsBase.__annotations__) | {"stream"}
    assert official <= set(CompletionRequest.model_fields)
