"""Graders that a real model is: what it answers has the required form."""

from __future__ import annotations

from typing import Any

import pytest
from openai import OpenAI

pytestmark = pytest.mark.real
INPUT = [{"role": "user", "content": "Is this polite? {{ sample.output_text }}"}]


@pytest.mark.parametrize(
    ("grader", "rewards"),
    [
        ({"type": "score_model", "range": [-2, 5]}, (-2, 5)),
        ({"type": "label_model", "labels": ["polite", "rude"], "passing_labels": ["rude"]}, (0, 1)),
    ],
    ids=["score", "label"],
)
def test_a_model_grades(
    real_client: OpenAI, grader: dict[str, Any], rewards: tuple[float, float]
) -> None:
    whole: Any = {**grader, "name": "judge", "model": "smollm2-135m-instruct", "input": INPUT}
    grade = real_client.fine_tuning.alpha.graders.run(
        grader=whole, model_sample="Thank you very much.", item={}
    )
    assert not any(grade.metadata.errors.model_dump().values())
    assert rewards[0] <= grade.reward <= rewards[1]
    assert grade.metadata.token_usage
