"""The sampling parameters of responses that the official API does not have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from tests.api.openai.responses.answers import refusal, respond


def engine_request(client: OpenAI, **parameters: Any) -> dict[str, Any]:
    """What the engine is asked for."""
    response = respond(client, False, model="reveal", input="hi", extra_body=parameters)
    request: dict[str, Any] = json.loads(response.output_text)
    return request


def test_they_reach_the_engine(client: OpenAI) -> None:
    request = engine_request(
        client,
        top_k=5,
        min_p=0.1,
        seed=7,
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        repetition_penalty=1.2,
        logit_bias={"5": -100},
        ignore_eos=True,
        include_stop_str_in_output=True,
        chat_template_kwargs={"a": 1},
        enable_thinking=False,
    )
    sampling = request["sampling"]
    assert sampling["local"] == {"top_k": 5, "min_p": 0.1, "repeat_penalty": 1.2}
    assert sampling["seed"] == 7
    assert (sampling["presence_penalty"], sampling["frequency_penalty"]) == (0.5, -0.5)
    assert sampling["logit_bias"] == [[5, -100.0]]
    assert request["ending"] == {"ignore_end": True, "keep_stop": True}
    assert request["prompt"]["template_arguments"] == {"a": 1, "enable_thinking": False}


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_ends_the_answer(client: OpenAI, stream: bool) -> None:
    body = {"stop": [" three", " four"]}
    response = respond(client, stream, input="one two three four", extra_body=body)
    assert (response.output_text, response.status) == ("one two", "completed")


def test_the_response_shows_the_penalties(client: OpenAI) -> None:
    body = {"presence_penalty": 1, "frequency_penalty": -1}
    shown = respond(client, False, input="a", extra_body=body).to_dict()
    assert (shown["presence_penalty"], shown["frequency_penalty"]) == (1.0, -1.0)


@pytest.mark.parametrize(
    ("body", "constraint"),
    [
        ({"regex": "[a-z]+"}, {"type": "regex", "pattern": "[a-z]+"}),
        ({"grammar": 'root ::= "a"'}, {"type": "grammar", "gbnf": 'root ::= "a"'}),
        (
            {"structured_outputs": {"regex": "[a-z]+"}},
            {"type": "regex", "pattern": "[a-z]+"},
        ),
    ],
)
def test_constraints(client: OpenAI, body: dict[str, Any], constraint: dict[str, str]) -> None:
    assert engine_request(client, **body)["constraint"] == constraint


JSON = {"format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"top_k": -2}, "integer_below_min_value", "top_k"),
        ({"presence_penalty": 3}, "decimal_above_max_value", "presence_penalty"),
        ({"stop": ["a"] * 65}, "array_above_max_length", "stop"),
        ({"logit_bias": {"x": 1}}, "invalid_value", "logit_bias"),
        ({"seed": "1"}, "invalid_type", "seed"),
        ({"repetition_penalty": 1, "repeat_penalty": 1}, "invalid_value", "repetition_penalty"),
        ({"regex": "a", "text": JSON}, "invalid_value", "text.format"),
        ({"regex": "a", "grammar": "b"}, "invalid_value", "regex"),
        ({"regex": "(", "model": "echo"}, "invalid_value", "regex"),
        ({"n": 2}, "unknown_parameter", "n"),
    ],
)
def test_values_that_are_refused(
    client: OpenAI, body: dict[str, Any], code: str, param: str
) -> None:
    assert refusal(client, input="a", **body) == (code, param)
