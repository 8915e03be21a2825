"""`POST /v1/search` and `POST /v1/engines/{id}/search`: how near documents are to a query."""

from __future__ import annotations

from typing import Any

import pytest

from openedai.config import ModelSpec, Settings
from tests.api.legacy.client import post, refusal
from tests.support import Running, ServerThread

PATH = "/v1/engines/echo/search"
BODY = {"query": "one", "documents": ["two", "one", "three"]}


def test_the_fields_of_an_answer(legacy_server: Running) -> None:
    answer = post(legacy_server, PATH, **BODY)
    assert answer.keys() == {"object", "data", "model"}
    assert (answer["object"], answer["model"]) == ("list", "echo")
    assert [one["document"] for one in answer["data"]] == [0, 1, 2]
    for one in answer["data"]:
        assert one.keys() == {"object", "document", "score"}
        assert one["object"] == "search_result"
        assert -100.001 <= one["score"] <= 100.001


def test_the_model_in_the_body(legacy_server: Running) -> None:
    alike = post(legacy_server, "/v1/search", model="echo", **BODY)
    assert alike == post(legacy_server, PATH, **BODY)
    expected = (400, "missing_required_parameter", "model")
    assert refusal(legacy_server, "/v1/search", **BODY) == expected


def test_the_score_is_100_for_the_query_itself(legacy_server: Running) -> None:
    scores = [one["score"] for one in post(legacy_server, PATH, **BODY)["data"]]
    assert scores[1] == pytest.approx(100, abs=1e-3)
    assert max(scores[0], scores[2]) < 99


def test_each_document_is_scored_alone(legacy_server: Running) -> None:
    alone = post(legacy_server, PATH, query="one", documents=["three"])["data"][0]["score"]
    together = post(legacy_server, PATH, **BODY)["data"][2]["score"]
    assert alone == pytest.approx(together, abs=1e-3)


def test_the_most_documents(legacy_server: Running) -> None:
    documents = [f"document {number}" for number in range(200)]
    assert len(post(legacy_server, PATH, query="x", documents=documents)["data"]) == 200


def test_parameters_about_files_have_no_effect(legacy_server: Running) -> None:
    fields = {"max_rerank": 1, "return_metadata": True, "user": "someone", "file": None}
    assert post(legacy_server, PATH, **BODY, **fields) == post(legacy_server, PATH, **BODY)


def test_a_model_that_does_not_embed_is_replaced_by_the_default(legacy_server: Running) -> None:
    assert post(legacy_server, "/v1/engines/writer/search", **BODY)["model"] == "echo"


def test_a_model_that_embeds_is_used(legacy_server: Running) -> None:
    answer = post(legacy_server, "/v1/engines/owner/echo:latest/search", **BODY)
    assert answer["model"] == "owner/echo:latest"


def test_a_server_without_a_model_that_embeds() -> None:
    writer = ModelSpec(id="writer", engine="llama_cpp", source="./never-loaded.gguf")
    settings = Settings(_env_file=None, models=(writer,), builtin_models=False)
    with ServerThread(settings) as server:
        expected = (400, "unsupported_model", "model")
        assert refusal(server, "/v1/engines/writer/search", **BODY) == expected


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"query": ""}, "string_below_min_length", "query"),
    ({"query": None}, "invalid_type", "query"),
    ({"documents": []}, "array_below_min_length", "documents"),
    ({"documents": ["x"] * 201}, "array_above_max_length", "documents"),
    ({"documents": ["x", ""]}, "string_below_min_length", "documents[1]"),
    ({"documents": "x"}, "invalid_type", "documents"),
    ({"documents": [1]}, "invalid_type", "documents[0]"),
    ({"file": "file-1"}, "unsupported_parameter", "file"),
    ({"documents": None, "file": "file-1"}, "unsupported_parameter", "file"),
    ({"max_rerank": 0}, "integer_below_min_value", "max_rerank"),
    ({"return_metadata": 1}, "invalid_type", "return_metadata"),
    ({"top_k": 1}, "unknown_parameter", "top_k"),
]


@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_refusals(legacy_server: Running, change: dict[str, Any], code: str, param: str) -> None:
    assert refusal(legacy_server, PATH, **{**BODY, **change}) == (400, code, param)
