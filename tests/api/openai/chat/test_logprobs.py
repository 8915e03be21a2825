"""`logprobs` of chat completions. The echo engine gives its n-th likeliest token 1 / 2**n."""

from __future__ import annotations

import math
from typing import Any

import pytest
from openai import OpenAI

from tests.api.answers import chat, refusal

HALF = -math.log(2)
both_ways = pytest.mark.parametrize("stream", [False, True])


@both_ways
@pytest.mark.parametrize("top", [None, 0, 1, 3, 20])
def test_every_token_has_one(client: OpenAI, top: int | None, stream: bool) -> None:
    given = {} if top is None else {"top_logprobs": top}
    result = chat(client, stream, messages="one two three", logprobs=True, **given).only
    assert result.logprobs is not None
    assert [(token, value) for token, value, _ in result.logprobs] == [
        (token, HALF) for token in ("one", " two", " three")
    ]
    for token, _, others in result.logprobs:
        assert len(others) == (top or 0)
        assert list(others.values()) == sorted(others.values(), reverse=True)
        assert sum(map(math.exp, others.values())) <= 1
        assert not others or others[token] == HALF


@both_ways
def test_tokens_join_to_the_text(client: OpenAI, stream: bool) -> None:
    text = "a  b\nc d 🎈 e"
    result = chat(client, stream, messages=text, logprobs=True).only
    assert result.text == text
    assert "".join(token for token, _, _ in result.logprobs or ()) == text


@both_ways
@pytest.mark.parametrize("logprobs", [None, False])
def test_without_them_there_is_null(client: OpenAI, logprobs: bool | None, stream: bool) -> None:
    assert chat(client, stream, messages="one two", logprobs=logprobs).only.logprobs is None


@both_ways
def test_they_are_of_the_answer_only(client: OpenAI, stream: bool) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    raw = '<think> hm </think> Well. {"name": "f", "arguments": {}}'
    result = chat(client, stream, messages=raw, tools=tools, logprobs=True).only
    assert (result.reasoning, result.text, result.calls) == (" hm ", " Well.", [("f", "{}")])
    assert [token for token, _, _ in result.logprobs or ()] == [" Well."]


@both_ways
def test_a_stop_takes_its_tokens_with_it(client: OpenAI, stream: bool) -> None:
    result = chat(client, stream, messages="a b c d", stop=" c", logprobs=True).only
    assert result.text == "a b"
    assert [token for token, _, _ in result.logprobs or ()] == ["a", " b"]


@both_ways
def test_held_back_tokens_come_with_their_text(client: OpenAI, stream: bool) -> None:
    result = chat(client, stream, messages="a b c d", stop=" b c x", logprobs=True).only
    assert [token for token, _, _ in result.logprobs or ()] == ["a", " b", " c", " d"]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"logprobs": 5}, "invalid_type", "logprobs"),
    ({"logprobs": True, "top_logprobs": -1}, "integer_below_min_value", "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "integer_above_max_value", "top_logprobs"),
    ({"top_logprobs": 2}, "invalid_value", "top_logprobs"),
    ({"logprobs": False, "top_logprobs": 0}, "invalid_value", "top_logprobs"),
]


@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_bad_values(client: OpenAI, change: dict[str, Any], code: str, param: str) -> None:
    assert refusal(client, **change) == (code, param)
