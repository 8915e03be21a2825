"""Text generation by the built-in models, where only a model shows that it is right.

Nothing here asks whether an answer makes sense.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import jsonschema
import pytest
from openai import BadRequestError, OpenAI

from tests.api.answers import CompletionResult, chat, complete

pytestmark = pytest.mark.real
SMOLLM, QWEN = "smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"
FRANCE = "The capital of France is"
both_ways = pytest.mark.parametrize("stream", [False, True])


def values(result: CompletionResult) -> list[float | None]:
    assert result.logprobs is not None
    assert result.logprobs["token_logprobs"] is not None
    return result.logprobs["token_logprobs"]


def listed(result: CompletionResult, name: str) -> list[Any]:
    assert result.logprobs is not None
    return result.logprobs[name] or []


@both_ways
def test_the_greedy_choice_is_the_likeliest_token(real_client: OpenAI, stream: bool) -> None:
    body = {"messages": "Count to five.", "max_tokens": 5, "temperature": 0}
    result = chat(real_client, stream, model=SMOLLM, logprobs=True, top_logprobs=5, **body).only
    assert result.logprobs is not None
    assert len(result.logprobs) == 5
    assert "".join(token for token, _, _ in result.logprobs) == result.text
    for token, value, others in result.logprobs:
        assert max(others, key=lambda name: others[name]) == token
        assert others[token] == value
        assert sum(map(math.exp, others.values())) <= 1.001


def test_a_scored_prompt_is_as_likely_as_when_it_was_generated(real_client: OpenAI) -> None:
    """The prompt is one token: several are read at once, by arithmetic that rounds otherwise."""
    body = {"model": SMOLLM, "logprobs": 1}
    (made,) = complete(real_client, False, prompt="Birds", max_tokens=6, temperature=0, **body)
    text = "Birds" + made.text
    (scored,) = complete(real_client, False, prompt=text, max_tokens=0, echo=True, **body)
    assert (scored.text, scored.reason) == (text, "length")
    assert listed(scored, "tokens") == ["Birds", *listed(made, "tokens")]
    assert values(scored)[0] is None
    assert values(scored)[1:] == pytest.approx(values(made), abs=0.05)


@pytest.mark.parametrize("prompt", ["I have a 🎈!", "🎈 and"])
def test_an_emoji_is_scored_token_by_token(real_client: OpenAI, prompt: str) -> None:
    body = {"model": SMOLLM, "prompt": prompt, "max_tokens": 0, "echo": True, "logprobs": 2}
    (result,) = complete(real_client, False, **body)
    assert result.text == prompt
    tokens, offsets = listed(result, "tokens"), listed(result, "text_offset")
    assert len(tokens) == len(offsets) == len(values(result))
    assert joined(tokens) == prompt
    assert offsets == sorted(offsets)
    for token, offset in zip(tokens, offsets, strict=True):
        assert token.startswith("bytes:") or prompt[offset:].startswith(token)
    assert all(value is not None and value < 0 for value in values(result)[1:])


def test_a_part_of_an_emoji_is_scored_as_an_alternative_would_be(real_client: OpenAI) -> None:
    """Roughly: the two ways compute the prompt by arithmetic that rounds differently."""
    body = {"model": SMOLLM, "logprobs": 5}
    (scored,) = complete(real_client, False, prompt="🎈🎈🎈", max_tokens=0, echo=True, **body)
    letter = {"max_tokens": 1, "extra_body": {"regex": "[a-z]"}}
    (made,) = complete(real_client, False, prompt="🎈🎈", **letter, **body)
    likeliest, part = listed(made, "top_logprobs")[0], "bytes:\\xf0\\x9f"
    assert listed(scored, "tokens")[-3] == part
    assert values(scored)[-3] == pytest.approx(likeliest[part], abs=0.5)


def joined(tokens: list[str]) -> str:
    """The text of tokens some of which are shown as their bytes."""
    raw = b""
    for token in tokens:
        encoded = token.removeprefix("bytes:")
        raw += token.encode() if encoded == token else bytes.fromhex(encoded.replace("\\x", ""))
    return raw.decode()


SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"enum": ["Paris", "Rome"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 2},
    },
    "required": ["city", "days", "tags"],
    "additionalProperties": False,
}


@both_ways
def test_a_schema_is_followed(real_client: OpenAI, stream: bool) -> None:
    named = {"name": "trip", "schema": SCHEMA}
    result = chat(
        real_client,
        stream,
        model=SMOLLM,
        messages="Plan a trip.",
        response_format={"type": "json_schema", "json_schema": named},
        max_tokens=120,
        seed=1,
        temperature=1.5,
    ).only
    assert result.reason == "stop"
    jsonschema.validate(json.loads(result.text), SCHEMA)


def test_a_named_strict_call_has_valid_arguments(real_client: OpenAI) -> None:
    function = {"name": "plan_trip", "parameters": SCHEMA, "strict": True}
    result = chat(
        real_client,
        True,
        model=SMOLLM,
        messages="Plan a trip.",
        tools=[{"type": "function", "function": function}],
        tool_choice={"type": "function", "function": {"name": "plan_trip"}},
        max_tokens=150,
        seed=1,
        temperature=1.5,
    ).only
    ((name, arguments),) = result.calls
    assert (name, result.text, result.reason) == ("plan_trip", "", "tool_calls")
    jsonschema.validate(json.loads(arguments), SCHEMA)


@pytest.mark.parametrize(
    ("stream", "bound"),
    [
        (False, {"regex": "(yes|no), [a-z]{3,8}[.!]"}),
        (True, {"grammar": 'root ::= ("yes" | "no") ", " [a-z]{3,8} [.!]'}),
    ],
    ids=["regex", "grammar"],
)
def test_a_constrained_answer(real_client: OpenAI, stream: bool, bound: dict[str, str]) -> None:
    body = {"model": SMOLLM, "temperature": 1.5, "seed": 1, "max_tokens": 30, "extra_body": bound}
    result = chat(real_client, stream, messages="Is it?", **body).only
    (continued,) = complete(real_client, stream, prompt="Is it? ", **body)
    for text, reason in ((result.text, result.reason), (continued.text, continued.reason)):
        assert re.fullmatch("(yes|no), [a-z]{3,8}[.!]", text)
        assert reason == "stop"


def test_a_stop_ends_the_text_and_the_count(real_client: OpenAI) -> None:
    """The whole text is " Paris Paris …"."""
    body: dict[str, Any] = {"model": SMOLLM, "prompt": FRANCE, "temperature": 0, "max_tokens": 12}
    body["logit_bias"] = {"7042": 100}
    whole = real_client.completions.create(**body)
    cut = real_client.completions.create(**body, stop="s Par")
    assert cut.choices[0].text == " Pari"
    assert cut.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert cut.usage is not None
    assert 0 < cut.usage.completion_tokens < whole.usage.completion_tokens == 12


@both_ways
def test_a_partial_stop_text_is_kept_at_the_limit(real_client: OpenAI, stream: bool) -> None:
    body = {"prompt": FRANCE, "max_tokens": 1, "temperature": 0, "stop": [" Paris is"]}
    (result,) = complete(real_client, stream, model=SMOLLM, **body)
    assert (result.text, result.reason) == (" Paris", "length")


def test_the_best_of_several_come_first(real_client: OpenAI) -> None:
    body = {"prompt": "Once", "max_tokens": 5, "temperature": 1.5, "seed": 1, "logprobs": 0}
    answers = complete(real_client, False, model=SMOLLM, n=3, best_of=5, **body)
    means = []
    for result in answers:
        known = [value for value in values(result) if value is not None]
        means.append(sum(known) / len(known))
    assert len(set(means)) == 3
    assert means == sorted(means, reverse=True)


def test_a_suffix_if_the_model_supports_it(real_client: OpenAI) -> None:
    body = {"prompt": "def add(a, b):\n    return", "suffix": "\n\nprint(add(1, 2))\n"}
    (result,) = complete(real_client, True, model=QWEN, max_tokens=8, temperature=0, **body)
    assert result.text
    assert "fim" not in result.text
    with pytest.raises(BadRequestError) as caught:
        complete(real_client, False, model=SMOLLM, **body)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "suffix")


def test_an_optional_call(real_client: OpenAI) -> None:
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    function = {"name": "get_weather", "description": "The weather now.", "parameters": city}
    result = chat(
        real_client,
        True,
        model=QWEN,
        messages="What is the weather in Paris?",
        tools=[{"type": "function", "function": function}],
        temperature=0,
        max_tokens=60,
    ).only
    assert (result.reason == "tool_calls") == bool(result.calls)
    for name, arguments in result.calls:
        assert name == "get_weather"
        assert isinstance(json.loads(arguments), dict)
    assert result.calls or result.text


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        ("a<|im_end|>", ["a", "<|im_end|>"]),
        ("<|im_end|>a<|endoftext|><|im_end|>b", None),
        ("a<|im_start|>b", ["a", "<|im_start|>", "b"]),
        ([1, 2, 3], ["<|im_start|>", "<|im_end|>", None]),
        ([2], ["<|im_end|>"]),
        ([5, 2, 0, 2, 6], None),
    ],
)
def test_special_tokens_of_a_prompt_are_scored(
    real_client: OpenAI, prompt: str | list[int], tokens: list[str | None] | None
) -> None:
    """Those that end an answer too, wherever they are."""
    body = {"model": SMOLLM, "prompt": prompt, "max_tokens": 0, "echo": True, "logprobs": 1}
    (result,) = complete(real_client, False, **body)
    found = listed(result, "tokens")
    assert joined(found) == result.text
    assert result.text == prompt if isinstance(prompt, str) else "<|im_end|>" in result.text
    assert values(result)[0] is None
    assert all(value is not None and value < 0 for value in values(result)[1:])
    if tokens is not None:
        assert [new or old for new, old in zip(tokens, found, strict=True)] == found
    (echoed,) = complete(real_client, False, **{**body, "logprobs": None})
    assert echoed.text == result.text


@pytest.mark.parametrize("penalty", [{"frequency_penalty": -2}, {"presence_penalty": -2}])
def test_negative_penalties_have_an_answer(real_client: OpenAI, penalty: dict[str, float]) -> None:
    """The end of the turns before does not count as an answer's token."""
    (continued,) = complete(real_client, False, model=SMOLLM, prompt=FRANCE, **penalty)
    result = chat(
        real_client, False, model=SMOLLM, messages="Name a city.", max_tokens=8, **penalty
    )
    assert result.only.text
    assert continued.text


def test_penalties_do_not_depend_on_the_prompt(real_client: OpenAI) -> None:
    """What was said before is as likely as without a penalty."""
    prompt = "cat dog cow. cat dog cow. cat dog cow. cat dog"
    body = {"model": SMOLLM, "prompt": prompt, "max_tokens": 1, "temperature": 0}
    (plain,) = complete(real_client, False, **body)
    for penalty in ({"frequency_penalty": 2}, {"presence_penalty": 2}):
        (penalised,) = complete(real_client, False, **body, **penalty)
        assert penalised.text == plain.text == " cow"
