"""`POST /v1/rerank`, `/rerank`, `/v2/rerank` and `/v1/score`."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from openedai.config import ModelSpec, Settings
from openedai.weights.onnx_graph.write import write_graph
from tests.support import Running, ServerThread, echo_settings, fetch, occupancy, wait_until
from tests.weights.onnx_graph.tiny_classifier import logits, write_reranker
from tests.weights.onnx_graph.tiny_encoder import END, START, VOCABULARY, write_model

DOCUMENTS = ["an owl flies", "the red fox", "a fox", "red"]
BODY: dict[str, Any] = {"model": "echo", "query": "red fox", "documents": DOCUMENTS}
SCORE: dict[str, Any] = {"model": "echo", "text_1": "red fox", "text_2": DOCUMENTS}
LIKELY, EVEN, UNLIKELY = 0.98201, 0.5, 0.01799  # of the log odds 4, 0 and -4


def post(server: Running, path: str, **body: Any) -> dict[str, Any]:
    answer = fetch(server.url + path, "POST", json=body)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


def refusal(server: Running, path: str, **body: Any) -> tuple[int, str, str]:
    answer = fetch(server.url + path, "POST", json=body)
    error = json.loads(answer.body)["error"]
    return answer.status, error["code"], error["param"]


def indices(answer: dict[str, Any]) -> list[int]:
    return [one["index"] for one in answer["results"]]


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_the_best_come_first(echo_server: Running, path: str) -> None:
    answer = post(echo_server, path, **BODY)
    assert answer["id"].startswith("rerank-")
    assert answer["model"] == "echo"
    assert indices(answer) == [1, 2, 3, 0]
    scores = [one["relevance_score"] for one in answer["results"]]
    assert scores == pytest.approx([LIKELY, EVEN, EVEN, UNLIKELY], abs=1e-4)
    assert all(one.keys() == {"index", "relevance_score"} for one in answer["results"])
    assert answer["usage"] == {"prompt_tokens": 17, "total_tokens": 17}
    assert answer["meta"] == {
        "method": "reranker",
        "tokens": {"input_tokens": 17},
        "api_version": {"version": "2"},
    }


def test_a_worker_scores_the_same(echo_server: Running) -> None:
    hosted = post(echo_server, "/v1/rerank", **{**BODY, "model": "hosted"})
    assert hosted["results"] == post(echo_server, "/v1/rerank", **BODY)["results"]


def test_the_first_ones_only(echo_server: Running) -> None:
    for top, expected in ((1, [1]), (3, [1, 2, 3]), (100, [1, 2, 3, 0])):
        assert indices(post(echo_server, "/v1/rerank", top_n=top, **BODY)) == expected


def test_documents_are_returned(echo_server: Running) -> None:
    answer = post(echo_server, "/v1/rerank", return_documents=True, top_n=1, **BODY)
    assert answer["results"][0]["document"] == {"text": "the red fox"}


def test_objects_as_documents(echo_server: Running) -> None:
    documents = ["owl", {"text": "red fox", "year": 2**70, "tags": [None, 1.5]}, {"text": "red"}]
    answer = post(
        echo_server, "/v1/rerank", **{**BODY, "documents": documents, "return_documents": True}
    )
    assert indices(answer) == [1, 2, 0]
    assert [one["document"] for one in answer["results"]] == [
        documents[1],
        documents[2],
        {"text": "owl"},
    ]


def test_fields_of_objects(echo_server: Running) -> None:
    documents = [
        {"title": "red", "body": "owl", "text": "red fox"},
        {"title": "red", "body": "fox"},
        {"body": "owl", "title": None},
    ]
    asked = {**BODY, "documents": documents, "rank_fields": ["title", "body"]}
    answer = post(echo_server, "/v1/rerank", **asked)
    assert indices(answer) == [1, 0, 2]
    assert answer["usage"]["total_tokens"] == 3 * 2 + 2 + 2 + 1


def test_the_scores_of_the_model_itself(echo_server: Running) -> None:
    for asked in ({"raw_scores": True}, {"use_activation": False}):
        answer = post(echo_server, "/v1/rerank", **BODY, **asked)
        assert [one["relevance_score"] for one in answer["results"]] == [4, 0, 0, -4]
        answer = post(echo_server, "/v1/score", **SCORE, **asked)
        assert [one["score"] for one in answer["data"]] == [-4, 4, 0, 0]


def test_long_documents(echo_server: Running) -> None:
    documents = ["owl owl red fox", "red"]
    asked = {**BODY, "documents": documents}
    assert indices(post(echo_server, "/v1/rerank", **asked)) == [0, 1]
    assert indices(post(echo_server, "/v1/rerank", max_tokens_per_doc=2, **asked)) == [1, 0]
    assert indices(post(echo_server, "/v1/rerank", truncate_prompt_tokens=4, **asked)) == [1, 0]
    assert indices(post(echo_server, "/v1/rerank", truncate_prompt_tokens=-1, **asked)) == [0, 1]
    long = {**BODY, "documents": ["owl", "fox " * 5000]}
    assert indices(post(echo_server, "/v1/rerank", **long)) == [1, 0]
    expected = (400, "context_length_exceeded", "documents")
    assert refusal(echo_server, "/v1/rerank", truncation=False, **long) == expected
    pairs = {**SCORE, "text_2": long["documents"], "truncation": False}
    assert refusal(echo_server, "/v1/score", **pairs) == (*expected[:2], "text_2")
    short = {**long, "truncation": False, "max_tokens_per_doc": 9}
    assert indices(post(echo_server, "/v1/rerank", **short)) == [1, 0]


def test_thousands_of_documents(echo_server: Running) -> None:
    documents = [f"red document {number}" for number in range(9999)] + ["a red fox"]
    answer = post(echo_server, "/v1/rerank", **{**BODY, "documents": documents, "top_n": 2})
    assert indices(answer) == [9999, 0]


def test_without_a_model_the_default_one_is_used(echo_server: Running) -> None:
    assert post(echo_server, "/v1/rerank", query="a", documents=["a"])["model"] == "echo"
    for name in ("rerank-v3.5", "jina-reranker-v2-base-multilingual"):
        assert post(echo_server, "/v1/rerank", **{**BODY, "model": name})["model"] == "echo"


def test_harmless_parameters(echo_server: Running) -> None:
    fields = {"user": "someone", "priority": 1, "max_chunks_per_doc": 10, "truncation": True}
    fields |= {"return_embeddings": False, "top_n": None, "rank_fields": None}
    answer = post(echo_server, "/v1/rerank", **BODY, **fields)
    assert answer["results"] == post(echo_server, "/v1/rerank", **BODY)["results"]


def test_open_webuis_external_reranker(echo_server: Running) -> None:
    """It asks for all documents, and sorts the scores by their index."""
    answer = post(echo_server, "/v1/rerank", **BODY, top_n=len(DOCUMENTS))
    results = sorted(answer["results"], key=lambda one: one["index"])
    scores = [one["relevance_score"] for one in results]
    assert scores == pytest.approx([UNLIKELY, LIKELY, EVEN, EVEN], abs=1e-4)


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"query": ""}, "string_below_min_length", "query"),
    ({"query": None}, "invalid_type", "query"),
    ({"query": ["a"]}, "invalid_type", "query"),
    ({"documents": []}, "array_below_min_length", "documents"),
    ({"documents": None}, "invalid_type", "documents"),
    ({"documents": "a"}, "invalid_type", "documents"),
    ({"documents": ["a", ""]}, "string_below_min_length", "documents[1]"),
    ({"documents": ["a", None]}, "invalid_type", "documents[1]"),
    ({"documents": ["a", 5]}, "invalid_type", "documents[1]"),
    ({"documents": [["a"]]}, "invalid_type", "documents[0]"),
    ({"documents": ["a"] * 10_001}, "array_above_max_length", "documents"),
    ({"documents": ["a", {}]}, "invalid_value", "documents[1]"),
    ({"documents": [{"text": ""}]}, "invalid_value", "documents[0]"),
    ({"documents": [{"text": None}]}, "invalid_value", "documents[0]"),
    ({"documents": [{"text": 5}]}, "invalid_type", "documents[0].text"),
    ({"documents": [{"image": "https://x.org/a.png"}]}, "invalid_value", "documents[0]"),
    ({"documents": [{"text": "a"}], "rank_fields": ["b"]}, "invalid_value", "documents[0]"),
    ({"rank_fields": []}, "array_below_min_length", "rank_fields"),
    ({"rank_fields": [""]}, "string_below_min_length", "rank_fields[0]"),
    ({"rank_fields": "text"}, "invalid_type", "rank_fields"),
    ({"top_n": 0}, "integer_below_min_value", "top_n"),
    ({"top_n": -1}, "integer_below_min_value", "top_n"),
    ({"top_n": 2**70}, "integer_above_max_value", "top_n"),
    ({"top_n": "3"}, "invalid_type", "top_n"),
    ({"top_n": 1.5}, "invalid_type", "top_n"),
    ({"return_documents": 1}, "invalid_type", "return_documents"),
    ({"max_tokens_per_doc": 0}, "integer_below_min_value", "max_tokens_per_doc"),
    ({"max_chunks_per_doc": 0}, "integer_below_min_value", "max_chunks_per_doc"),
    ({"truncate_prompt_tokens": 0}, "integer_below_min_value", "truncate_prompt_tokens"),
    ({"truncation": "yes"}, "invalid_type", "truncation"),
    ({"return_embeddings": True}, "unsupported_parameter", "return_embeddings"),
    ({"raw_scores": True, "use_activation": True}, "invalid_value", "use_activation"),
    ({"model": ""}, "model_not_found", "model"),
    ({"model": 5}, "invalid_type", "model"),
    ({"texts": ["a"]}, "unknown_parameter", "texts"),
]


@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_refusals(echo_server: Running, change: dict[str, Any], code: str, param: str) -> None:
    status = 404 if code == "model_not_found" else 400
    assert refusal(echo_server, "/v1/rerank", **{**BODY, **change}) == (status, code, param)


def test_scores_of_pairs(echo_server: Running) -> None:
    answer = post(echo_server, "/v1/score", **SCORE)
    assert answer["id"].startswith("score-")
    assert (answer["object"], answer["model"]) == ("list", "echo")
    assert [(one["index"], one["object"]) for one in answer["data"]] == [
        (index, "score") for index in range(4)
    ]
    scores = [one["score"] for one in answer["data"]]
    assert scores == pytest.approx([UNLIKELY, LIKELY, EVEN, EVEN], abs=1e-4)
    assert answer["meta"]["method"] == "reranker"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("fox", "fox", [LIKELY]),
        (["fox"], "owl", [UNLIKELY]),
        (["fox"], ["fox", "owl"], [LIKELY, UNLIKELY]),
        (["fox", "owl"], ["owl", "owl"], [UNLIKELY, LIKELY]),
    ],
)
def test_one_with_many_and_many_with_many(
    echo_server: Running, first: Any, second: Any, expected: list[float]
) -> None:
    for names in (("text_1", "text_2"), ("queries", "documents")):
        pairs = dict(zip(names, (first, second), strict=True))
        data = post(echo_server, "/v1/score", model="echo", **pairs)["data"]
        assert [one["score"] for one in data] == pytest.approx(expected, abs=1e-4)


BAD_PAIRS: list[tuple[dict[str, Any], str, str]] = [
    ({"text_1": ["a", "b"]}, "invalid_value", "text_1"),
    ({"text_1": ["a", "b"], "text_2": "c"}, "invalid_value", "text_1"),
    ({"text_1": None}, "missing_required_parameter", "text_1"),
    ({"text_2": None}, "missing_required_parameter", "text_2"),
    ({"queries": "a"}, "invalid_value", "queries"),
    ({"documents": "a"}, "invalid_value", "documents"),
    ({"text_1": None, "queries": ["a", "b"]}, "invalid_value", "queries"),
    ({"text_1": ""}, "string_below_min_length", "text_1"),
    ({"text_2": []}, "array_below_min_length", "text_2"),
    ({"text_2": ["a", ""]}, "string_below_min_length", "text_2[1]"),
    ({"text_2": ["a"] * 10_001}, "array_above_max_length", "text_2"),
    ({"text_2": [{"text": "a"}]}, "invalid_type", "text_2[0]"),
    ({"top_n": 1}, "unknown_parameter", "top_n"),
]


@pytest.mark.parametrize(("change", "code", "param"), BAD_PAIRS)
def test_refused_pairs(echo_server: Running, change: dict[str, Any], code: str, param: str) -> None:
    assert refusal(echo_server, "/v1/score", **{**SCORE, **change}) == (400, code, param)


def test_an_engine_that_fails(echo_server: Running) -> None:
    answer = fetch(f"{echo_server.url}/rerank", "POST", json={**BODY, "model": "fails-first"})
    assert answer.status == 500


def test_a_client_that_leaves_frees_its_slot() -> None:
    patient = ModelSpec(id="patient", engine="echo", options={"delay": 600})
    with ServerThread(
        echo_settings(models=(patient,), chat_model="patient", embedding_model="patient")
    ) as server:

        async def leave() -> None:
            async with aiohttp.ClientSession() as session:
                asking = asyncio.create_task(
                    session.post(f"{server.url}/rerank", json={**BODY, "model": "patient"})
                )
                await asyncio.to_thread(wait_until, lambda: occupancy(server, "patient") == (1, 0))
                asking.cancel()

        asyncio.run(leave())
        wait_until(lambda: occupancy(server, "patient") == (0, 0))


@pytest.fixture(scope="module")
def embedding_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with a model for embeddings, one for texts, and no reranker."""
    folder = write_model(tmp_path_factory.mktemp("tiny") / "model")
    write_graph(folder)
    models = (
        ModelSpec(id="tiny", engine="onnx_embeddings", source=str(folder)),
        ModelSpec(id="writer", engine="llama_cpp", source="./never-loaded.gguf"),
    )
    settings = echo_settings(models=models, chat_model="writer", embedding_model="tiny")
    with ServerThread(settings) as running:
        yield running


def test_embeddings_where_no_reranker_is_configured(embedding_server: Running) -> None:
    documents = ["w9 w8", "w1 w2", "w1 w3 w4"]
    asked = {"query": "w1 w2", "documents": documents}
    answer = post(embedding_server, "/v1/rerank", **asked)
    assert answer["model"] == "tiny"
    assert answer["meta"]["method"] == "embeddings"
    (warning,) = answer["meta"]["warnings"]
    assert "`tiny` is no reranker" in warning
    assert answer["results"][0]["index"] == 1
    assert answer["results"][0]["relevance_score"] == pytest.approx(1, abs=1e-5)
    vectors = post(embedding_server, "/v1/embeddings", model="tiny", input=["w1 w2", *documents])
    query, *rows = (one["embedding"] for one in vectors["data"])
    for one in answer["results"]:
        cosine = sum(a * b for a, b in zip(query, rows[one["index"]], strict=True))
        assert one["relevance_score"] == pytest.approx(cosine, abs=1e-5)
    assert answer["usage"]["total_tokens"] == vectors["usage"]["total_tokens"]
    named = post(embedding_server, "/v2/rerank", model="rerank-v3.5", **asked)
    assert named["results"] == answer["results"]
    raw = post(embedding_server, "/v2/rerank", raw_scores=True, **asked)
    assert raw["results"] == answer["results"]


def test_prompts_of_the_embedding_model(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    write_graph(folder)
    prompts = {"prompts": {"query": "w30 w31 ", "document": "w40 "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    model = ModelSpec(id="tiny", engine="onnx_embeddings", source=str(folder))
    writer = ModelSpec(id="writer", engine="llama_cpp", source="./never-loaded.gguf")
    settings = echo_settings(models=(model, writer), chat_model="writer", embedding_model="tiny")
    with ServerThread(settings) as server:
        answer = post(server, "/v1/score", text_1="w1", text_2="w2")
        texts = ["w30 w31 w1", "w40 w2"]
        vectors = post(server, "/v1/embeddings", model="tiny", input=texts)
    query, document = (one["embedding"] for one in vectors["data"])
    cosine = sum(a * b for a, b in zip(query, document, strict=True))
    assert answer["data"][0]["score"] == pytest.approx(cosine, abs=1e-5)
    assert answer["usage"]["prompt_tokens"] == 5 + 4


def test_pairs_by_embeddings(embedding_server: Running) -> None:
    texts = [f"w{number % 50} w{number % 7}" for number in range(2100)]
    answer = post(embedding_server, "/v1/score", text_1=texts, text_2=texts)
    assert [one["score"] for one in answer["data"]] == pytest.approx([1] * 2100, abs=1e-4)
    assert answer["meta"]["method"] == "embeddings"


@pytest.mark.parametrize(
    "limit", [{"max_tokens_per_doc": 5}, {"truncate_prompt_tokens": 5}, {"truncation": False}]
)
def test_embeddings_have_no_limits_of_their_own(
    embedding_server: Running, limit: dict[str, Any]
) -> None:
    expected = (400, "unsupported_parameter", next(iter(limit)))
    asked = {"query": "w1", "documents": ["w1"]}
    assert refusal(embedding_server, "/v1/rerank", **asked, **limit) == expected


def test_a_model_that_does_neither(embedding_server: Running) -> None:
    expected = (400, "unsupported_model", "model")
    asked = {"model": "writer", "query": "a", "documents": ["a"]}
    assert refusal(embedding_server, "/v1/rerank", **asked) == expected


def test_a_server_without_any_model_for_it() -> None:
    writer = ModelSpec(id="writer", engine="llama_cpp", source="./never-loaded.gguf")
    with ServerThread(Settings(_env_file=None, models=(writer,), builtin_models=False)) as server:
        expected = (400, "unsupported_model", "model")
        assert refusal(server, "/v1/rerank", query="a", documents=["a"]) == expected


def test_a_reranker_that_comes_as_safetensors(tmp_path: Path) -> None:
    folder = write_reranker(tmp_path / "tiny", "roberta")
    settings = echo_settings(rerank_model=str(folder), cache_dir=tmp_path / "cache")
    with ServerThread(settings) as server:
        answer = post(server, "/v1/rerank", query="w1 w2", documents=["w3", "w4 w5"])
        pairs = post(server, "/v1/score", text_1="w1 w2", text_2=["w3", "w4 w5"])
    assert answer["model"] == "tiny"
    assert answer["meta"]["method"] == "reranker"
    ids = np.array([[START, *tokens("w1 w2"), END, *tokens("w3"), END]])
    (logit,) = logits(folder, ids, np.ones_like(ids), np.array([[0] * 4 + [1] * 2]))[0]
    scores = [one["score"] for one in pairs["data"]]
    assert scores[0] == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-4)
    ranked = {one["index"]: one["relevance_score"] for one in answer["results"]}
    assert [ranked[0], ranked[1]] == scores


def tokens(text: str) -> list[int]:
    return [VOCABULARY.index(word) for word in text.split()]
