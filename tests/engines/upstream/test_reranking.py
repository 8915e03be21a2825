"""What other servers answer to a request for reranking."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from openedai.contract.rerank import RerankRequest
from openedai.engines.upstream.answers.problems import MalformedAnswer
from openedai.engines.upstream.reranking import by_query, read_scores, rerank_request


def body(*scores: tuple[int, float], **rest: Any) -> bytes:
    results = [{"index": index, "relevance_score": score} for index, score in scores]
    return json.dumps({"results": results, **rest}).encode()


def test_probabilities_become_log_odds() -> None:
    found = read_scores(body((2, 0.5), (0, 0.9), (1, 0.0)), 3)
    assert found.scores[0] == pytest.approx(math.log(9))
    assert found.scores[1] < -20
    assert found.scores[2] == 0
    assert found.prompt_tokens == 0


def test_log_odds_stay() -> None:
    assert read_scores(body((1, -3.5), (0, 0.25)), 2).scores == (0.25, -3.5)


@pytest.mark.parametrize(
    "rest",
    [
        {"usage": {"prompt_tokens": 7, "total_tokens": 7}},
        {"usage": {"total_tokens": 7}},
        {"meta": {"tokens": {"input_tokens": 7}}},
    ],
)
def test_tokens_are_counted_in_several_places(rest: dict[str, Any]) -> None:
    assert read_scores(body((0, 0.1), **rest), 1).prompt_tokens == 7


@pytest.mark.parametrize(
    "answer", [body((0, 1.0)), body((0, 0.1), (0, 0.2)), body((0, 0.1), (2, 0.2))]
)
def test_every_document_needs_one_score(answer: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        read_scores(answer, 2)


def test_the_request_of_each_query() -> None:
    request = RerankRequest(
        queries=("a", "b", "a"), documents=("x", "y", "z"), document_tokens=5, truncate=False
    )
    (first, one), (second, other) = by_query(request)
    assert (first, second) == ([0, 2], [1])
    assert rerank_request(one, "m").body == {
        "model": "m",
        "query": "a",
        "documents": ["x", "z"],
        "top_n": 2,
        "max_tokens_per_doc": 5,
        "truncation": False,
    }
    assert rerank_request(other, "m").body == {
        "model": "m",
        "query": "b",
        "documents": ["y"],
        "top_n": 1,
        "max_tokens_per_doc": 5,
        "truncation": False,
    }
