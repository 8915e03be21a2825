"""What other servers answer to a request for moderation."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from openedai.contract.generate import Text
from openedai.contract.moderate import ModerateRequest
from openedai.engines.upstream.answers.problems import MalformedAnswer
from openedai.engines.upstream.moderation import (
    image_moderation_request,
    moderation_request,
    read_moderation,
)
from tests.images.files import file_of, noise


def body(*scores: dict[str, Any], **rest: Any) -> bytes:
    results = [
        {
            "flagged": True,
            "categories": {name: (score or 0) > 0.4 for name, score in one.items()},
            "category_scores": one,
        }
        for one in scores
    ]
    return json.dumps({"id": "modr-1", "model": "m", "results": results, **rest}).encode()


def test_scores_and_flags_are_the_upstreams() -> None:
    found = read_moderation(body({"hate": 0.45, "violence": 0.1}, {"hate": 0}), 2)
    assert found.assessments[0].scores == {"hate": 0.45, "violence": 0.1}
    assert found.assessments[0].flagged == ("hate",)
    assert found.assessments[1].flagged == ()
    assert found.prompt_tokens == 0


def test_categories_that_are_not_known_are_left_out() -> None:
    (found,) = read_moderation(body({"hate": 0.1, "pii": 0.9, "illicit": None}), 1).assessments
    assert found.scores == {"hate": 0.1}
    assert found.flagged == ()


def test_categories_that_apply_to_nothing_are_left_out() -> None:
    answer = json.loads(body({"hate": 0.0, "sexual": 0.7}))
    answer["results"][0]["category_applied_input_types"] = {"hate": [], "sexual": ["image"]}
    (found,) = read_moderation(json.dumps(answer).encode(), 1).assessments
    assert found.scores == {"sexual": 0.7}
    assert found.flagged == ("sexual",)


def test_tokens_are_counted() -> None:
    assert read_moderation(body({"hate": 0}, usage={"prompt_tokens": 7}), 1).prompt_tokens == 7


@pytest.mark.parametrize("answer", [body(), body({"hate": 0}, {"hate": 0}), body({"hate": 3})])
def test_answers_that_make_no_sense(answer: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        read_moderation(answer, 1)


def test_the_request() -> None:
    request = ModerateRequest(inputs=(Text(text="a"), Text(text="b")))
    assert moderation_request(request, "m").body == {"model": "m", "input": ["a", "b"]}


def test_the_request_for_an_image() -> None:
    raw = file_of(noise(4, 4), "JPEG")
    data = base64.b64encode(raw).decode()
    part = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}
    assert image_moderation_request(raw, "m").body == {"model": "m", "input": [part]}
