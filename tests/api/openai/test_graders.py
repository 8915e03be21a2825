"""`/v1/fine_tuning/alpha/graders`, by the official client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError, OpenAI

from openedai.config import ModelSpec, Settings
from tests.support import ServerThread, echo_settings

CHECK: dict[str, Any] = {
    "type": "string_check",
    "name": "exact",
    "operation": "eq",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
}
SIMILAR: dict[str, Any] = {
    "type": "text_similarity",
    "name": "close",
    "evaluation_metric": "fuzzy_match",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
}
SCORE: dict[str, Any] = {
    "type": "score_model",
    "name": "judge",
    "model": "judge",
    "range": [0, 10],
    "input": [
        {"role": "system", "content": "Be strict."},
        {"role": "user", "content": [{"type": "input_text", "text": "{{ sample.output_text }}"}]},
    ],
}
LABEL: dict[str, Any] = {
    "type": "label_model",
    "name": "label",
    "model": "labels",
    "labels": ["good", "bad"],
    "passing_labels": ["good"],
    "input": [{"role": "user", "content": "{{ sample.output_text }}"}],
}
MULTI: dict[str, Any] = {
    "type": "multi",
    "name": "both",
    "graders": {"exact": CHECK, "close": SIMILAR},
    "calculate_output": "0.25 * exact + 0.75 * close",
}
PYTHON = {"type": "python", "name": "p", "source": "def grade(sample, item): return 1"}
REPLIES = {"judge": '{"result": 7.5}', "labels": '{"result": "good"}', "rambles": "Well, 7."}


@pytest.fixture(scope="module")
def api() -> Iterator[OpenAI]:
    models = (
        *(ModelSpec(id=n, engine="echo", options={"reply": r}) for n, r in REPLIES.items()),
        ModelSpec(id="echo", engine="echo"),
    )
    with ServerThread(echo_settings(models=models)) as running, running.client() as client:
        yield client


def run(api: OpenAI, grader: dict[str, Any], sample: str = "Paris", item: Any = None) -> Any:
    item = {"answer": "Paris"} if item is None else item
    grader_param: Any = grader
    return api.fine_tuning.alpha.graders.run(grader=grader_param, model_sample=sample, item=item)


@pytest.mark.parametrize(
    ("operation", "sample", "reward"),
    [
        ("eq", "Paris", 1),
        ("eq", "paris", 0),
        ("ne", "paris", 1),
        ("like", "It is Paris.", 1),
        ("like", "It is paris.", 0),
        ("ilike", "It is paris.", 1),
    ],
)
def test_texts_are_compared(api: OpenAI, operation: str, sample: str, reward: float) -> None:
    grade = run(api, {**CHECK, "operation": operation}, sample)
    assert grade.reward == reward
    assert (grade.metadata.name, grade.metadata.type) == ("exact", "string_check")
    assert grade.metadata.execution_time >= 0
    assert not any(grade.metadata.errors.model_dump().values())
    assert grade.sub_rewards == grade.api_model_grader_token_usage_per_model == {}


@pytest.mark.parametrize("metric", ["cosine", "fuzzy_match", "bleu", "gleu", "meteor", "rouge_l"])
def test_similarity(api: OpenAI, metric: str) -> None:
    item = {"answer": "the cat sat on the mat today"}
    same = run(api, {**SIMILAR, "evaluation_metric": metric}, item["answer"], item)
    other = run(api, {**SIMILAR, "evaluation_metric": metric}, "the cat ran off", item)
    assert same.reward == pytest.approx(1, abs=0.01)
    assert -1 <= other.reward < 0.8


def test_a_model_scores(api: OpenAI) -> None:
    grade = run(api, SCORE)
    assert (grade.reward, grade.metadata.sampled_model_name) == (7.5, "judge")
    usage = grade.api_model_grader_token_usage_per_model["judge"]
    assert grade.metadata.token_usage == usage["total_tokens"] > usage["prompt_tokens"] > 0


def test_a_model_sees_the_texts_and_what_is_asked(api: OpenAI) -> None:
    """The model echoes the last message: no grade, but its tokens are counted."""
    grader = {**SCORE, "model": "echo", "sampling_params": {"max_completions_tokens": 3}}
    grade = run(api, grader, "one two three four five six")
    assert (grade.reward, grade.metadata.errors.api_model_grader_parse_error) == (0, True)
    assert grade.api_model_grader_token_usage_per_model["echo"]["completion_tokens"] == 3


def test_a_model_labels(api: OpenAI) -> None:
    assert run(api, LABEL).reward == 1
    assert run(api, {**LABEL, "passing_labels": ["bad"]}).reward == 0


@pytest.mark.parametrize(
    "grader",
    [
        {**SCORE, "range": [0, 1]},
        {**SCORE, "model": "rambles"},
        {**SCORE, "model": "labels"},
        {**LABEL, "model": "judge"},
        {**LABEL, "labels": ["bad"], "passing_labels": ["bad"]},
    ],
    ids=["beyond the range", "no JSON", "no number", "no label", "another label"],
)
def test_answers_that_are_no_grades(api: OpenAI, grader: dict[str, Any]) -> None:
    grade = run(api, grader)
    assert (grade.reward, grade.metadata.errors.api_model_grader_parse_error) == (0, True)


def test_several_graders_in_a_formula(api: OpenAI) -> None:
    grade = run(api, MULTI, "Pari")
    assert grade.sub_rewards == grade.metadata.scores == {"exact": 0, "close": pytest.approx(8 / 9)}
    assert grade.reward == pytest.approx(6 / 9)
    one = {**MULTI, "graders": CHECK, "calculate_output": "exact * 2"}
    assert run(api, one).reward == 2
    models = {**MULTI, "graders": {"j": SCORE, "l": LABEL}, "calculate_output": "j / 10 * l"}
    grade = run(api, models)
    assert grade.reward == 0.75
    assert set(grade.api_model_grader_token_usage_per_model) == {"judge", "labels"}


@pytest.mark.parametrize(
    ("grader", "error"),
    [
        ({**CHECK, "reference": "{{ item.missing }}"}, "invalid_variable_error"),
        ({**CHECK, "input": "{{ sample.output_json.x }}"}, "sample_parse_error"),
        ({**MULTI, "calculate_output": "1 / (exact - 1)"}, "other_error"),
    ],
)
def test_grades_that_there_are_not(api: OpenAI, grader: dict[str, Any], error: str) -> None:
    grade = run(api, grader)
    assert grade.reward == 0
    errors = grade.metadata.errors.model_dump(by_alias=True)
    assert {name for name, value in errors.items() if value} == {error}


def test_json_in_the_sample(api: OpenAI) -> None:
    grader = {**CHECK, "input": "{{ sample.output_json.city[0] }}"}
    assert run(api, grader, '{"city": ["Paris"]}').reward == 1


@pytest.mark.parametrize("grader", [CHECK, SIMILAR, SCORE, MULTI], ids=lambda one: one["type"])
def test_validation_returns_the_grader(api: OpenAI, grader: Any) -> None:
    answer = api.fine_tuning.alpha.graders.with_raw_response.validate(grader=grader)
    assert answer.parse().grader is not None
    assert answer.http_response.json() == {"grader": grader}


@pytest.mark.parametrize(
    ("grader", "param", "code"),
    [
        (PYTHON, "grader.type", "unsupported_value"),
        ({**CHECK, "type": "other"}, "grader.type", "invalid_value"),
        ({**CHECK, "name": ""}, "grader.name", "string_below_min_length"),
        ({**CHECK, "operation": "gt"}, "grader.operation", "invalid_value"),
        ({**CHECK, "input": "{{ system.path }}"}, "grader.input", "invalid_value"),
        ({**CHECK, "extra": 1}, "grader.extra", "unknown_parameter"),
        (
            {**SIMILAR, "evaluation_metric": "chrf"},
            "grader.evaluation_metric",
            "invalid_value",
        ),
        ({**SCORE, "range": [1, 1]}, "grader.range", "invalid_value"),
        ({**SCORE, "range": [1]}, "grader.range", "array_below_min_length"),
        ({**SCORE, "model": "nothing"}, "grader.model", "model_not_found"),
        (
            {**SCORE, "input": [{"role": "user", "content": {"type": "input_image"}}]},
            "grader.input[0].content.type",
            "unsupported_value",
        ),
        ({**LABEL, "passing_labels": ["x"]}, "grader.passing_labels", "invalid_value"),
        ({**MULTI, "calculate_output": "exact +"}, "grader.calculate_output", "invalid_value"),
        ({**MULTI, "calculate_output": "other"}, "grader.calculate_output", "invalid_value"),
        ({**MULTI, "graders": {"p": PYTHON}}, "grader.graders.p.type", "unsupported_value"),
        ({**MULTI, "graders": MULTI}, "grader.graders.type", "unsupported_value"),
        ({**MULTI, "graders": {}}, "grader.graders", "array_below_min_length"),
    ],
)
def test_graders_that_are_not_valid(
    api: OpenAI, grader: dict[str, Any], param: str, code: str
) -> None:
    for path, rest in (("validate", {}), ("run", {"model_sample": "x"})):
        body = {"grader": grader, **rest}
        with pytest.raises(APIStatusError) as caught:
            api.post(f"/fine_tuning/alpha/graders/{path}", body=body, cast_to=object)
        assert caught.value.status_code == (404 if code == "model_not_found" else 400)
        assert (caught.value.param, caught.value.code) == (param, code)


def test_a_server_without_embeddings(tmp_path: Path) -> None:
    text = ModelSpec(id="text", engine="llama_cpp", source=str(tmp_path / "never-loaded.gguf"))
    settings = Settings(_env_file=None, data=tmp_path, models=(text,), builtin_models=False)
    with ServerThread(settings) as running, running.client() as client:
        with pytest.raises(APIStatusError) as caught:
            run(client, {**SIMILAR, "evaluation_metric": "cosine"})
        assert caught.value.code == "unsupported_model"
        assert caught.value.param == "grader.evaluation_metric"
