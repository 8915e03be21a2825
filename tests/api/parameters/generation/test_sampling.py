"""Stop strings, samplers and stream options: what chat and completions have in common."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.api.answers import chat, complete, refusal

PATHS = ["/chat/completions", "/completions"]
BIGGEST = 2**63 - 1

RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "seed": (-(2**63), BIGGEST),
    "n": (1, 128),
    "top_k": (0, 1 << 20),
    "min_p": (0, 1),
    "typical_p": (0, 1),
    "repeat_penalty": (0, 10),
    "repeat_last_n": (-1, BIGGEST),
    "mirostat": (0, 2),
    "mirostat_tau": (0, 100),
    "mirostat_eta": (0, 1),
    "dry_multiplier": (0, 100),
    "dry_base": (1, 100),
    "dry_allowed_length": (0, BIGGEST),
    "dry_penalty_last_n": (-1, BIGGEST),
    "xtc_probability": (0, 1),
    "xtc_threshold": (0, 1),
}
INTEGERS = {
    "seed",
    "n",
    "top_k",
    "repeat_last_n",
    "mirostat",
    "dry_allowed_length",
    "dry_penalty_last_n",
}


def reveal(client: OpenAI, path: str, **body: Any) -> dict[str, Any]:
    """The request as the engine got it."""
    body = {"model": "reveal", "extra_body": body}
    if path == "/completions":
        texts = [one.text for one in complete(client, False, prompt="x", max_tokens=99, **body)]
    else:
        texts = [one.text for one in chat(client, False, messages="x", **body).choices]
    found: dict[str, Any] = json.loads(texts[0])
    return found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", RANGES)
def test_the_bounds_of_a_range_reach_the_engine(client: OpenAI, path: str, name: str) -> None:
    for value in RANGES[name]:
        received = reveal(client, path, **{name: value})
        if name != "n":
            sampling = received["sampling"]
            assert (sampling | sampling.get("local", {})).get(name, 0) == value


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", RANGES)
def test_values_outside_of_the_range_are_refused(client: OpenAI, path: str, name: str) -> None:
    model, step = ("integer", 1) if name in INTEGERS else ("decimal", 0.01)
    low, high = RANGES[name]
    if name == "top_k":
        low -= 1  # -1 is other servers' word for 0
    extra = {"prompt": "x"} if path == "/completions" else {}
    below = refusal(client, path, **{name: low - step}, **extra)
    assert below == (f"{model}_below_min_value", name)
    if high != BIGGEST:
        above = refusal(client, path, **{name: high + step}, **extra)
        assert above == (f"{model}_above_max_value", name)


@pytest.mark.parametrize("path", PATHS)
def test_samplers_that_are_not_numbers_reach_the_engine(client: OpenAI, path: str) -> None:
    received = reveal(
        client,
        path,
        logit_bias={"5": -100, "6": 100},
        dry_sequence_breakers=["\n", "."],
        stop=["a", "b", "c", "d"],
    )
    assert received["sampling"]["logit_bias"] == [[5, -100.0], [6, 100.0]]
    assert received["sampling"]["local"]["dry_sequence_breakers"] == ["\n", "."]
    assert received["stop"] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("path", PATHS)
def test_samplers_that_are_not_set_do_not_reach_the_engine(client: OpenAI, path: str) -> None:
    nothing = {"presence_penalty": 0.0, "frequency_penalty": 0.0, "local": {}}
    assert reveal(client, path)["sampling"] == nothing
    assert reveal(client, path, **dict.fromkeys(RANGES))["sampling"] == nothing


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"temperature": "hot"}, "invalid_type", "temperature"),
    ({"top_k": 1.5}, "invalid_type", "top_k"),
    ({"seed": "x"}, "invalid_type", "seed"),
    ({"n": True}, "invalid_type", "n"),
    ({"stop": 5}, "invalid_type", "stop"),
    ({"stop": ["a"] * 65}, "array_above_max_length", "stop"),
    ({"stop": ["a", ""]}, "string_below_min_length", "stop[1]"),
    ({"logit_bias": {"cat": 1}}, "invalid_value", "logit_bias"),
    ({"logit_bias": {"-1": 1}}, "invalid_value", "logit_bias"),
    ({"logit_bias": {"9" * 5000: 1}}, "invalid_value", "logit_bias"),
    ({"logit_bias": {"1": 101}}, "decimal_above_max_value", "logit_bias.1"),
    ({"logit_bias": {"1": -101}}, "decimal_below_min_value", "logit_bias.1"),
    ({"dry_sequence_breakers": []}, "array_below_min_length", "dry_sequence_breakers"),
    ({"dry_sequence_breakers": [""]}, "string_below_min_length", "dry_sequence_breakers[0]"),
    ({"user": 5}, "invalid_type", "user"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_bad_values(
    client: OpenAI, path: str, change: dict[str, Any], code: str, param: str
) -> None:
    extra = {"prompt": "x"} if path == "/completions" else {}
    assert refusal(client, path, **change, **extra) == (code, param)
