"""`POST /v1/decisions` with the official client, on the echo engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types import DecisionCreateParams
from openai.types.decision import Decision

from openedai.api.openai.decisions.types import DecisionRequest
from openedai.config import ModelSpec
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings, fetch

INPUT = "The screen arrived broken. Please send money, not a voucher."
PREDICATE: dict[str, Any] = {"type": "predicate", "instructions": "Is it a complaint?"}
CHOICE: dict[str, Any] = {
    "type": "choice",
    "name": "wish",
    "instructions": "What do they want?",
    "choices": [{"value": "voucher"}, {"value": "money", "description": "a refund"}],
}
SCORE: dict[str, Any] = {
    "type": "score",
    "name": "damage",
    "instructions": "How damaged is it?",
    "levels": [{"label": "intact"}, {"label": "scratched"}, {"label": "broken"}],
}


def decide(server: Running, **body: Any) -> Decision:
    body = {"model": "echo", "input": INPUT, "questions": [PREDICATE]} | body
    answer = fetch(f"{server.url}/v1/decisions", "POST", json=body)
    assert answer.status == 200, answer.body
    return Decision.model_validate_json(answer.body)


def refused(server: Running, **body: Any) -> dict[str, Any]:
    body = {"model": "echo", "input": INPUT, "questions": [PREDICATE]} | body
    answer = fetch(f"{server.url}/v1/decisions", "POST", json=body)
    assert answer.status == 400, answer.body
    error: dict[str, Any] = json.loads(answer.body)["error"]
    return error


def test_the_official_client(client: OpenAI) -> None:
    decision = client.decisions.create(
        model="echo",
        input=INPUT,
        questions=[PREDICATE, CHOICE, SCORE],  # type: ignore[list-item]
    )
    predicate, choice, score = decision.answers
    assert decision.model == "echo"
    assert predicate.type == "predicate"
    assert predicate.name is None
    assert predicate.probability == pytest.approx(1 / 2)
    assert choice.type == "choice"
    assert (choice.name, choice.choice) == ("wish", "voucher")
    assert [one.value for one in choice.probabilities] == ["voucher", "money"]
    assert [one.probability for one in choice.probabilities] == pytest.approx([1 / 2, 1 / 2])
    assert choice.confidence == pytest.approx(0, abs=1e-9)
    assert score.type == "score"
    assert [(one.label, one.value) for one in score.probabilities] == [
        ("intact", 0),
        ("scratched", 1),
        ("broken", 2),
    ]
    assert [one.probability for one in score.probabilities] == pytest.approx([0.2, 0.2, 0.6])
    assert score.score == pytest.approx(1.4)
    assert score.confidence == pytest.approx(1 - (0.4 + 0.2) / (2 / 3))
    for answer in decision.answers:
        assert answer.model_extra == {"x_label_mass": pytest.approx(0.8)}
    usage = decision.usage
    assert usage.input_tokens == usage.total_tokens > 3 * len(INPUT.split())
    assert usage.output_tokens == usage.output_tokens_details.reasoning_tokens == 0
    assert usage.input_tokens_details.cached_tokens == 0


def test_the_official_parameters_are_known() -> None:
    assert set(DecisionRequest.model_fields) == set(DecisionCreateParams.__annotations__)


def test_a_string_and_a_boolean_are_distinct_choices(echo_server: Running) -> None:
    values = [True, "true", False]
    question = CHOICE | {"choices": [{"value": value} for value in values]}
    (answer,) = decide(echo_server, questions=[question]).answers
    assert answer.type == "choice"
    assert [one.value for one in answer.probabilities] == values
    assert [type(one.value) for one in answer.probabilities] == [bool, str, bool]


def test_messages_calls_and_json_are_an_input(echo_server: Running) -> None:
    items = [
        {"role": "system", "content": [{"type": "input_text", "text": "Be strict."}]},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Is it", "prompt_cache_breakpoint": None},
                {"type": "input_json", "data": {"state": "broken", "parts": [1, None]}},
            ],
        },
        {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "It is broken."},
        {"type": "custom_tool_call", "call_id": "1", "name": "note", "input": "x"},
        {
            "type": "custom_tool_call_output",
            "call_id": "1",
            "output": [{"type": "input_text", "text": "broken"}],
        },
        {"role": "assistant", "content": [{"type": "output_text", "text": "Yes, broken."}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    ]
    (answer,) = decide(echo_server, input=items, questions=[SCORE]).answers
    assert answer.type == "score"
    # The text has the label four times.
    assert answer.probabilities[2].probability == pytest.approx(9 / 11)


def test_a_message_of_a_user_is_the_same_as_its_text(echo_server: Running) -> None:
    messages = [{"role": "user", "content": INPUT}]
    assert decide(echo_server, input=messages) == decide(echo_server)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"questions": []}, "questions"),
        ({"questions": [PREDICATE] * 401}, "questions"),
        ({"questions": [{"type": "guess", "instructions": "?"}]}, "questions[0].type"),
        ({"questions": [{"type": "predicate"}]}, "questions[0].instructions"),
        ({"questions": [PREDICATE | {"instructions": " "}]}, "questions[0].instructions"),
        ({"questions": [PREDICATE | {"levels": []}]}, "questions[0].levels"),
        ({"questions": [CHOICE | {"choices": [{"value": "a"}]}]}, "questions[0].choices"),
        ({"questions": [CHOICE | {"choices": [{"value": "a"}] * 2}]}, "questions[0].choices"),
        (
            {"questions": [CHOICE | {"choices": [{"value": 1}] * 2}]},
            "questions[0].choices[0].value",
        ),
        ({"questions": [SCORE | {"levels": [{"label": "a"}]}]}, "questions[0].levels"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"type": "note"}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": []}]}, "input[0].content"),
        (
            {"input": [{"role": "user", "content": [{"type": "refusal", "refusal": ""}]}]},
            "input[0].content[0].type",
        ),
        (
            {"input": [{"type": "function_call_output", "call_id": "1", "output": ""}]},
            "input[0].call_id",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_json", "data": 1}]}]},
            "input[0].content[0].data",
        ),
        ({"temperature": 1}, "temperature"),
    ],
)
def test_what_is_not_valid_is_named(echo_server: Running, body: dict[str, Any], param: str) -> None:
    assert refused(echo_server, **body)["param"] == param


def test_images_are_refused_by_name(echo_server: Running) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    error = refused(echo_server, input=[{"role": "user", "content": [image]}])
    assert (error["code"], error["param"]) == ("unsupported_value", "input[0].content[0].type")
    error = refused(echo_server, questions=[PREDICATE | {"instructions": [image]}])
    assert error["param"] == "questions[0].instructions[0].type"


@pytest.mark.parametrize(
    "data",
    [{"a": "x" * (257 << 10)}, {"a": [0] * 10_000}, {"deep": None}],
    ids=["bytes", "values", "levels"],
)
def test_json_has_the_official_limits(echo_server: Running, data: dict[str, Any]) -> None:
    if "deep" in data:
        for _ in range(32):
            data = {"deep": data}
    part = {"type": "input_json", "data": data}
    error = refused(echo_server, input=[{"role": "user", "content": [part]}])
    assert error["param"] == "input[0].content[0].data"


def test_what_is_too_long_names_the_input(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.decisions.create(model="echo", input="word " * 70_000, questions=[PREDICATE])  # type: ignore[list-item]
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")


def test_a_model_that_does_not_decide_is_refused(echo_server: Running, tmp_path: Path) -> None:
    options = {"url": echo_server.url, "model": "echo"}
    remote = ModelSpec(id="remote", engine="upstream", options=options)
    with ServerThread(echo_settings(models=(*ECHO_MODELS, remote), data=tmp_path)) as server:
        error = refused(server, model="remote")
    assert (error["code"], error["param"]) == ("unsupported_model", "model")
    assert "decisions" in error["message"]
