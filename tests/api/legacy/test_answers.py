"""`POST /v1/answers`: a search, then a completion."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openedai.prompts.example_prompts import answer_prompt
from tests.api.legacy.client import post, refusal
from tests.support import Running

PATH = "/v1/answers"
QUESTION = "Is it?"
DOCUMENTS = ["It was.", QUESTION, "It will be."]
EXAMPLES = [["Was it?", "No."]]
CONTEXT = "It was not."
BODY: dict[str, Any] = {
    "model": "yes",
    "question": QUESTION,
    "documents": DOCUMENTS,
    "examples": EXAMPLES,
    "examples_context": CONTEXT,
}


def prompt(*documents: str) -> str:
    return answer_prompt(QUESTION, documents, [("Was it?", "No.")], CONTEXT)


def test_the_fields_of_an_answer(legacy_server: Running) -> None:
    answer = post(legacy_server, PATH, **BODY)
    assert answer.keys() == {
        "object",
        "model",
        "search_model",
        "completion",
        "answers",
        "selected_documents",
    }
    assert (answer["object"], answer["model"], answer["search_model"]) == ("answer", "yes", "echo")
    assert answer["answers"] == ["Yes."]
    assert answer["completion"].startswith("cmpl-")


def test_documents_are_ranked_and_the_best_is_last_in_the_prompt(legacy_server: Running) -> None:
    answer = post(legacy_server, PATH, return_prompt=True, **BODY)
    selected = answer["selected_documents"]
    assert selected[0] == {"document": 1, "text": QUESTION}
    assert {one["document"]: one["text"] for one in selected} == dict(enumerate(DOCUMENTS))
    assert answer["prompt"] == prompt(*(one["text"] for one in reversed(selected)))


def test_every_parameter_reaches_the_engine(legacy_server: Running) -> None:
    parameters = {"temperature": 0.5, "logprobs": 2, "max_tokens": 99, "stop": ["END"], "n": 2}
    fields = {**parameters, "logit_bias": {"5": -100}, "documents": ["d"], "model": "reveal"}
    answer = post(legacy_server, PATH, **{**BODY, **fields})
    received = json.loads(answer["answers"][0])
    assert received["prompt"] == {"type": "text", "text": prompt("d")}
    assert received["sampling"]["temperature"] == 0.5
    assert received["sampling"]["logit_bias"] == [[5, -100]]
    assert (received["max_tokens"], received["logprobs"], received["stop"]) == (99, 2, ["END"])
    assert len(answer["answers"]) == 2


def test_the_defaults(legacy_server: Running) -> None:
    body = {**BODY, "model": "reveal", "documents": [], "max_tokens": 99}
    received = json.loads(post(legacy_server, PATH, **body)["answers"][0])
    assert received["sampling"]["temperature"] == 0
    assert received["stop"] == ["\n"]
    del body["max_tokens"]
    cut = post(legacy_server, PATH, **body, expand=["completion"])["completion"]
    assert cut["usage"]["completion_tokens"] == 16


@pytest.mark.parametrize("fields", [{"expand": ["completion"]}, {"logprobs": 0}])
def test_the_whole_completion(legacy_server: Running, fields: dict[str, Any]) -> None:
    completion = post(legacy_server, PATH, **BODY, **fields)["completion"]
    assert completion["object"] == "text_completion"
    assert completion["choices"][0]["text"] == " Yes."
    assert (completion["choices"][0]["logprobs"] is None) == ("logprobs" not in fields)


def test_without_documents_nothing_is_searched(legacy_server: Running) -> None:
    answer = post(legacy_server, PATH, **{**BODY, "documents": []}, return_prompt=True)
    assert (answer["search_model"], answer["selected_documents"]) == (None, [])
    assert answer["prompt"] == prompt()


@pytest.mark.parametrize(
    ("name", "used"),
    [("owner/echo:latest", "owner/echo:latest"), ("ada", "echo"), ("writer", "echo")],
)
def test_the_search_model(legacy_server: Running, name: str, used: str) -> None:
    assert post(legacy_server, PATH, **BODY, search_model=name)["search_model"] == used


def test_documents_are_dropped_until_the_prompt_fits(legacy_server: Running) -> None:
    """The context has 40 words, of which the prompt takes 21 without documents, and 2 for each."""
    body = {**BODY, "model": "small", "documents": [f"It {number}." for number in range(8)]}
    answer = post(legacy_server, PATH, **body, max_tokens=1)
    assert len(answer["selected_documents"]) == 8
    answer = post(legacy_server, PATH, **{**body, "documents": body["documents"] * 2}, max_tokens=1)
    assert len(answer["selected_documents"]) == 8
    long = {**body, "documents": ["It " * 30]}
    assert post(legacy_server, PATH, **long, max_tokens=1)["selected_documents"] == []
    assert refusal(legacy_server, PATH, **{**body, "question": "Is it? " * 20}) == (
        400,
        "context_length_exceeded",
        "question",
    )


def test_documents_are_dropped_until_the_answer_fits(legacy_server: Running) -> None:
    """The prompt alone would fit with all of them, but then the answer would be cut."""
    body = {**BODY, "model": "talkative", "documents": [f"It {number}." for number in range(8)]}
    answer = post(legacy_server, PATH, **body, max_tokens=10, expand=["completion"])
    assert len(answer["selected_documents"]) == 4
    assert answer["completion"]["usage"]["completion_tokens"] == 10


def test_parameters_without_effect(legacy_server: Running) -> None:
    fields = {"max_rerank": 1, "return_metadata": True, "user": "someone", "file": None}
    answers = [post(legacy_server, PATH, **BODY, **parameters) for parameters in ({}, fields)]
    for answer in answers:
        del answer["completion"]
    assert answers[0] == answers[1]


BAD: list[tuple[dict[str, Any], int, str, str]] = [
    ({"model": "nope"}, 404, "model_not_found", "model"),
    ({"search_model": "nope"}, 404, "model_not_found", "search_model"),
    ({"model": "embedder"}, 400, "unsupported_model", "model"),
    ({"question": ""}, 400, "string_below_min_length", "question"),
    ({"examples": []}, 400, "array_below_min_length", "examples"),
    ({"examples": [["a", "b"]] * 201}, 400, "array_above_max_length", "examples"),
    ({"examples": [["a"]]}, 400, "array_below_min_length", "examples[0]"),
    ({"examples": [["a", "b", "c"]]}, 400, "array_above_max_length", "examples[0]"),
    ({"examples": [["a", 1]]}, 400, "invalid_type", "examples[0][1]"),
    ({"examples": ["a"]}, 400, "invalid_type", "examples[0]"),
    ({"examples_context": None}, 400, "invalid_type", "examples_context"),
    ({"documents": ["x"] * 201}, 400, "array_above_max_length", "documents"),
    ({"documents": [""]}, 400, "string_below_min_length", "documents[0]"),
    ({"file": "file-1"}, 400, "unsupported_parameter", "file"),
    ({"temperature": -1}, 400, "decimal_below_min_value", "temperature"),
    ({"logprobs": 6}, 400, "integer_above_max_value", "logprobs"),
    ({"max_tokens": 0}, 400, "integer_below_min_value", "max_tokens"),
    ({"n": 11}, 400, "integer_above_max_value", "n"),
    ({"logit_bias": {"word": 1}}, 400, "invalid_value", "logit_bias"),
    ({"logit_bias": {"5": 101}}, 400, "decimal_above_max_value", "logit_bias.5"),
    ({"expand": ["file"]}, 400, "unsupported_value", "expand[0]"),
    ({"expand": ["prompt"]}, 400, "invalid_value", "expand[0]"),
    ({"stream": True}, 400, "unknown_parameter", "stream"),
]


@pytest.mark.parametrize(("change", "status", "code", "param"), BAD)
def test_refusals(
    legacy_server: Running, change: dict[str, Any], status: int, code: str, param: str
) -> None:
    assert refusal(legacy_server, PATH, **{**BODY, **change}) == (status, code, param)


@pytest.mark.parametrize("lacking", ["model", "question", "examples", "examples_context"])
def test_required_parameters(legacy_server: Running, lacking: str) -> None:
    body = {name: value for name, value in BODY.items() if name != lacking}
    expected = (400, "missing_required_parameter", lacking)
    assert refusal(legacy_server, PATH, **body) == expected


def test_documents_are_required(legacy_server: Running) -> None:
    body = {name: value for name, value in BODY.items() if name != "documents"}
    expected = (400, "missing_required_parameter", "documents")
    assert refusal(legacy_server, PATH, **body) == expected
    assert refusal(legacy_server, PATH, file="file-1", **body)[1] == "unsupported_parameter"
