"""What only the older completions have: `echo`, `best_of`, `suffix`, four lists of `logprobs`."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.api.answers import complete, refusal

HALF = -math.log(2)
both_ways = pytest.mark.parametrize("stream", [False, True])


@both_ways
def test_logprobs_have_four_lists(client: OpenAI, stream: bool) -> None:
    (result,) = complete(client, stream, prompt="one two three", logprobs=2)
    assert result.logprobs == {
        "tokens": ["one", " two", " three"],
        "token_logprobs": [HALF] * 3,
        "top_logprobs": [
            {"one": HALF, " other1": 2 * HALF},
            {" two": HALF, " other1": 2 * HALF},
            {" three": HALF, " other1": 2 * HALF},
        ],
        "text_offset": [13, 16, 20],
    }


@both_ways
def test_offsets_count_from_the_start_of_each_prompt(client: OpenAI, stream: bool) -> None:
    body: dict[str, Any] = {"prompt": ["one", "four five"], "n": 2, "logprobs": 0}
    results = complete(client, stream, **body)
    offsets = [result.logprobs["text_offset"] for result in results if result.logprobs]
    assert offsets == [[3], [3], [9, 13], [9, 13]]
    path, text = "/tokenize", {"model": "echo", "prompt": "one two"}
    tokens = client.post(path, body=text, cast_to=object)["tokens"]  # type: ignore[index]
    (result,) = complete(client, stream, prompt=tokens, logprobs=0, max_tokens=1)
    assert result.logprobs is not None
    assert result.logprobs["text_offset"] == [7]


@both_ways
def test_logprobs_0_have_no_alternatives(client: OpenAI, stream: bool) -> None:
    (result,) = complete(client, stream, prompt="one two", logprobs=0)
    assert result.logprobs is not None
    assert result.logprobs["token_logprobs"] == [HALF] * 2
    assert result.logprobs["top_logprobs"] is None


@both_ways
def test_without_logprobs_there_is_null(client: OpenAI, stream: bool) -> None:
    assert complete(client, stream, prompt="one two")[0].logprobs is None


@both_ways
def test_echo_puts_the_prompt_first(client: OpenAI, stream: bool) -> None:
    (result,) = complete(client, stream, prompt="one two", echo=True)
    assert (result.text, result.reason) == ("one twoone two", "stop")


@both_ways
def test_echo_with_logprobs_scores_the_prompt_too(client: OpenAI, stream: bool) -> None:
    (result,) = complete(client, stream, prompt="one two", echo=True, logprobs=1)
    assert result.logprobs == {
        "tokens": ["one", " two", "one", " two"],
        "token_logprobs": [None, HALF, HALF, HALF],
        "top_logprobs": [None, {" two": HALF}, {"one": HALF}, {" two": HALF}],
        "text_offset": [0, 3, 7, 10],
    }


@both_ways
def test_max_tokens_0_with_echo_only_scores_the_prompt(client: OpenAI, stream: bool) -> None:
    body = {"prompt": ["one two", "three"], "echo": True, "logprobs": 0, "max_tokens": 0}
    first, second = complete(client, stream, **body)
    assert (first.text, first.reason) == ("one two", "length")
    assert first.logprobs is not None
    assert first.logprobs["token_logprobs"] == [None, HALF]
    assert second.logprobs is not None
    assert second.logprobs["tokens"] == ["three"]


@both_ways
def test_stop_texts_in_an_echoed_prompt_are_ignored(client: OpenAI, stream: bool) -> None:
    (result,) = complete(client, stream, prompt="one two", echo=True, stop=" two")
    assert (result.text, result.reason) == ("one twoone", "stop")


def test_usage_with_echo_counts_the_prompt_once(client: OpenAI) -> None:
    answer = client.completions.create(model="echo", prompt="one two", echo=True, max_tokens=0)
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 0)


def test_best_of_returns_the_best_answers(client: OpenAI) -> None:
    answer = client.completions.create(model="echo", prompt=["a b", "c"], n=2, best_of=5)
    assert [choice.text for choice in answer.choices] == ["a b", "a b", "c", "c"]
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert [choice.logprobs for choice in answer.choices] == [None] * 4
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 5 * 3)


def test_best_of_has_a_seed_for_every_answer(client: OpenAI) -> None:
    body = {"prompt": "a", "n": 1, "best_of": 2, "seed": 5, "max_tokens": 99}
    (result,) = complete(client, False, model="reveal", **body)
    received = json.loads(result.text)
    assert received["sampling"]["seed"] in (5, 6)
    assert received["logprobs"] == 0  # by which the best one is found


@both_ways
def test_best_of_equal_to_n_can_be_streamed(client: OpenAI, stream: bool) -> None:
    result = complete(client, stream, prompt="a b", n=2, best_of=2)
    assert [one.text for one in result] == ["a b"] * 2


def test_only_engines_that_support_a_suffix_accept_one(client: OpenAI) -> None:
    (result,) = complete(client, False, model="reveal", prompt="a", suffix="", max_tokens=99)
    assert "suffix" not in json.loads(result.text)
    with pytest.raises(BadRequestError, match="the echo engine") as caught:
        client.completions.create(model="echo", prompt="a", suffix="b")
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "suffix")


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"logprobs": True}, "invalid_type", "logprobs"),
    ({"logprobs": -1}, "integer_below_min_value", "logprobs"),
    ({"logprobs": 6}, "integer_above_max_value", "logprobs"),
    ({"echo": "yes"}, "invalid_type", "echo"),
    ({"max_tokens": 0}, "integer_below_min_value", "max_tokens"),
    ({"max_tokens": -2, "echo": True}, "integer_below_min_value", "max_tokens"),
    ({"best_of": 0}, "integer_below_min_value", "best_of"),
    ({"best_of": 21}, "integer_above_max_value", "best_of"),
    ({"best_of": 2, "n": 3}, "invalid_value", "best_of"),
    ({"suffix": "b"}, "unsupported_parameter", "suffix"),
    ({"suffix": "b", "echo": True}, "invalid_value", "suffix"),
    ({"prompt": ["a"] * 200, "best_of": 20, "n": 20}, "invalid_value", "n"),
]


@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_bad_values(client: OpenAI, change: dict[str, Any], code: str, param: str) -> None:
    assert refusal(client, "/completions", **{"prompt": "x", **change}) == (code, param)


def test_best_of_more_than_n_cannot_be_streamed(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.completions.create(model="echo", prompt="a", best_of=2, stream=True)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "best_of")
