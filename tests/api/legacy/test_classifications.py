"""`POST /v1/classifications`: a search, then a completion that is held to the labels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openedai.prompts.example_prompts import label_prompt
from tests.api.legacy.client import post, refusal
from tests.support import Running

PATH = "/v1/classifications"
QUERY = "It shines."
TEXTS = ["It rains.", QUERY, "It may."]
BODY: dict[str, Any] = {
    "model": "good",
    "query": QUERY,
    "examples": [[TEXTS[0], "bad"], [TEXTS[1], "very GOOD"], [TEXTS[2], "bad"]],
}


def test_the_fields_of_an_answer(legacy_server: Running) -> None:
    answer = post(legacy_server, PATH, **BODY)
    assert answer.keys() == {
        "object",
        "model",
        "search_model",
        "completion",
        "label",
        "selected_examples",
    }
    names = (answer["object"], answer["model"], answer["search_model"])
    assert names == ("classification", "good", "echo")
    assert answer["label"] == "Very good"
    assert answer["completion"].startswith("cmpl-")


def test_examples_are_ranked_and_the_best_is_last_in_the_prompt(legacy_server: Running) -> None:
    answer = post(legacy_server, PATH, return_prompt=True, **BODY)
    selected = answer["selected_examples"]
    assert selected[0] == {"document": 1, "label": "Very good", "text": QUERY}
    assert sorted(one["document"] for one in selected) == [0, 1, 2]
    pairs = [(one["text"], one["label"]) for one in reversed(selected)]
    assert answer["prompt"] == label_prompt(QUERY, ["Bad", "Very good"], pairs)


def test_the_answer_is_constrained_to_the_labels(legacy_server: Running) -> None:
    labels = ["Bad", "bad", "very good", "a" * 200]
    fields = {"labels": labels, "temperature": 0.5, "logit_bias": {"5": 3}, "logprobs": 1}
    answer = post(legacy_server, PATH, **{**BODY, **fields, "model": "reveal"})
    received = json.loads(answer["completion"]["choices"][0]["text"])
    names = ["A" + "a" * 199, "Bad", "Very good"]
    grammar = f'root ::= " " ({" | ".join(json.dumps(name) for name in names)})\n'
    assert received["constraint"] == {"type": "grammar", "gbnf": grammar}
    assert received["max_tokens"] == 202
    assert received["sampling"]["temperature"] == 0.5
    assert received["sampling"]["logit_bias"] == [[5, 3]]
    assert received["logprobs"] == 1


def test_the_temperature_is_0_unless_it_is_given(legacy_server: Running) -> None:
    fields = {"labels": ["bad", "very good", "x" * 200], "expand": ["completion"]}
    answer = post(legacy_server, PATH, **{**BODY, **fields, "model": "reveal"})
    received = json.loads(answer["completion"]["choices"][0]["text"])
    assert received["sampling"]["temperature"] == 0


def test_labels_that_no_example_has(legacy_server: Running) -> None:
    fields = {"labels": ["bad", "Very Good", "neutral"], "return_prompt": True}
    answer = post(legacy_server, PATH, **BODY, **fields)
    assert "categories: Bad, Very good, Neutral." in answer["prompt"]


def test_an_answer_that_is_not_a_label(legacy_server: Running) -> None:
    assert post(legacy_server, PATH, **{**BODY, "model": "yes"})["label"] == "Unknown"


@pytest.mark.parametrize(
    ("name", "used"), [("owner/echo:latest", "owner/echo:latest"), ("ada", "echo")]
)
def test_the_search_model(legacy_server: Running, name: str, used: str) -> None:
    assert post(legacy_server, PATH, **BODY, search_model=name)["search_model"] == used


def test_examples_are_dropped_until_the_prompt_fits(legacy_server: Running) -> None:
    """The context has 40 words; the prompt takes 12 without examples, and 5 for each."""
    examples = [[f"Text {number}", "good"] for number in range(8)]
    answer = post(legacy_server, PATH, model="small", query="x", examples=examples)
    assert answer["label"] == "Good"
    assert len(answer["selected_examples"]) == 4
    expected = (400, "context_length_exceeded", "query")
    body = {"model": "small", "query": "x " * 50, "examples": examples}
    assert refusal(legacy_server, PATH, **body) == expected


def test_parameters_without_effect(legacy_server: Running) -> None:
    fields = {"max_examples": 1, "return_metadata": True, "user": "someone", "file": None}
    answers = [post(legacy_server, PATH, **BODY, **parameters) for parameters in ({}, fields)]
    for answer in answers:
        del answer["completion"]
    assert answers[0] == answers[1]


BAD: list[tuple[dict[str, Any], int, str, str]] = [
    ({"model": "nope"}, 404, "model_not_found", "model"),
    ({"search_model": "nope"}, 404, "model_not_found", "search_model"),
    ({"model": "embedder"}, 400, "unsupported_model", "model"),
    ({"query": ""}, 400, "string_below_min_length", "query"),
    ({"examples": [["a", "b"]]}, 400, "array_below_min_length", "examples"),
    ({"examples": [["a", "b"]] * 201}, 400, "array_above_max_length", "examples"),
    ({"examples": [["a", "b"], ["", "b"]]}, 400, "string_below_min_length", "examples[1][0]"),
    ({"examples": [["a", "b"], ["a", " \n"]]}, 400, "invalid_value", "examples[1][1]"),
    ({"examples": [["a", "b"], ["a", "\0"]]}, 400, "invalid_value", "examples[1][1]"),
    ({"examples": [["a", "b"], ["a", "x" * 257]]}, 400, "invalid_value", "examples[1][1]"),
    ({"labels": ["bad", "worse"]}, 400, "invalid_value", "examples[1][1]"),
    ({"labels": ["bad"]}, 400, "array_below_min_length", "labels"),
    ({"labels": []}, 400, "array_below_min_length", "labels"),
    ({"labels": ["x"] * 201}, 400, "array_above_max_length", "labels"),
    ({"labels": ["bad", " "]}, 400, "invalid_value", "labels[1]"),
    ({"labels": ["bad", ""]}, 400, "string_below_min_length", "labels[1]"),
    ({"labels": ["bad", "x" * 257]}, 400, "string_above_max_length", "labels[1]"),
    ({"labels": ["bad", 5]}, 400, "invalid_type", "labels[1]"),
    ({"file": "file-1"}, 400, "unsupported_parameter", "file"),
    ({"temperature": 2.5}, 400, "decimal_above_max_value", "temperature"),
    ({"logprobs": -1}, 400, "integer_below_min_value", "logprobs"),
    ({"max_examples": 0}, 400, "integer_below_min_value", "max_examples"),
    ({"expand": "completion"}, 400, "invalid_type", "expand"),
    ({"max_tokens": 5}, 400, "unknown_parameter", "max_tokens"),
]


@pytest.mark.parametrize(("change", "status", "code", "param"), BAD)
def test_refusals(
    legacy_server: Running, change: dict[str, Any], status: int, code: str, param: str
) -> None:
    assert refusal(legacy_server, PATH, **{**BODY, **change}) == (status, code, param)


@pytest.mark.parametrize("lacking", ["model", "query", "examples"])
def test_required_parameters(legacy_server: Running, lacking: str) -> None:
    body = {name: value for name, value in BODY.items() if name != lacking}
    expected = (400, "missing_required_parameter", lacking)
    assert refusal(legacy_server, PATH, **body) == expected
