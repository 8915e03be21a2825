"""`POST /v1/systemone` on the echo engine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import Running, fetch

STATE = "The checkout has an error. The error is new."
QUESTIONS: dict[str, Any] = {
    "urgent": {"type": "noul", "instructions": "Is it urgent?"},
    "team": {
        "type": "choice",
        "instructions": {"question": "Which team?", "since": 2020},
        "criteria": {"billing": "Payments", "error": None},
    },
    "anger": {
        "type": "score",
        "instructions": "How angry are they?",
        "criteria": ["calm", {"like": "annoyed"}, "angry"],
    },
}


def decide(server: Running, **body: Any) -> dict[str, Any]:
    body = {"model": "echo", "state": STATE, "questions": QUESTIONS} | body
    answer = fetch(f"{server.url}/v1/systemone", "POST", json=body)
    assert answer.status == 200, answer.body
    value: dict[str, Any] = json.loads(answer.body)
    return value


def test_answers_have_the_names_of_the_questions(echo_server: Running) -> None:
    value = decide(echo_server, keep_alive="5m", images=[])
    mass = pytest.approx(0.8)
    assert value["model"] == "echo"
    assert value["answers"] == {
        "urgent": {"type": "noul", "noul": pytest.approx(0.5), "x_label_mass": mass},
        "team": {
            "type": "choice",
            "choice": "error",
            "probabilities": {"billing": pytest.approx(1 / 6), "error": pytest.approx(5 / 6)},
            "confidence": pytest.approx(2 / 3),
            "x_label_mass": mass,
        },
        "anger": {
            "type": "score",
            "score": pytest.approx(1),
            "legend": {"0": "calm", "1": '{"like": "annoyed"}', "2": "angry"},
            "probabilities": {number: pytest.approx(1 / 3) for number in "012"},
            "confidence": pytest.approx(0, abs=1e-9),
            "x_label_mass": mass,
        },
    }
    assert list(value["answers"]) == list(QUESTIONS)
    assert value["usage"]["input_tokens"] > 3 * len(STATE.split())
    assert value["usage"]["output_tokens"] == 0


@pytest.mark.parametrize("state", [{"text": STATE}, [STATE, {"more": None}]])
def test_a_state_may_be_json(echo_server: Running, state: Any) -> None:
    assert decide(echo_server, state=state)["answers"]["team"]["choice"] == "error"


def test_a_single_option_is_certain(echo_server: Running) -> None:
    question = {"type": "choice", "instructions": "Which?", "criteria": {"all": None}}
    answer = decide(echo_server, questions={"q": question})["answers"]["q"]
    assert (answer["choice"], answer["probabilities"], answer["confidence"]) == (
        "all",
        {"all": 1.0},
        1.0,
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"state": 1}, "state"),
        ({"questions": {}}, "questions"),
        ({"questions": {"q": {"type": "box", "instructions": "?"}}}, "questions.q.type"),
        ({"questions": {"q": {"type": "noul", "instructions": ""}}}, "questions.q.instructions"),
        (
            {"questions": {"q": {"type": "noul", "instructions": "?", "criteria": {"maybe": ""}}}},
            "questions.q.criteria.maybe",
        ),
        (
            {"questions": {"q": {"type": "choice", "instructions": "?", "criteria": {}}}},
            "questions.q.criteria",
        ),
        ({"images": ["AAAA"]}, "images"),
        ({"temperature": 1}, "temperature"),
        ({"state": "word " * 70_000}, "state"),
    ],
)
def test_what_is_not_valid_is_named(echo_server: Running, body: dict[str, Any], param: str) -> None:
    body = {"model": "echo", "state": STATE, "questions": QUESTIONS} | body
    answer = fetch(f"{echo_server.url}/v1/systemone", "POST", json=body)
    assert answer.status == 400, answer.body
    assert json.loads(answer.body)["error"]["param"] == param
