"""Rerankers in ONNX against numpy, and their pairs against the tokenizer's own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, save
from tokenizers import Tokenizer

from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.engines.embedding.batching import shared
from openedai.engines.embedding.pooling import read_json
from openedai.engines.reranker.onnx import OnnxReranker
from openedai.engines.reranker.pairs import PairTokenizer
from openedai.errors import ContextLengthExceeded, EngineFailed, Unavailable
from openedai.weights.onnx_graph.write import write_classifier
from tests.weights.onnx_graph.tiny_classifier import KINDS, logits, write_reranker
from tests.weights.onnx_graph.tiny_encoder import END, LIMIT, START, VOCABULARY

QUERY = "w1 w2"
DOCUMENTS = ("w3", "w1 w2 w4", "w5 w6 w7 w8", "never seen")


def reranked(folder: Path, *requests: RerankRequest, **options: Any) -> list[RerankResult]:
    async def go() -> list[RerankResult]:
        engine = await OnnxReranker.load("tiny", folder, options)
        try:
            return await asyncio.gather(*map(engine.rerank, requests))
        finally:
            await engine.close()

    return asyncio.run(go())


def rerank_request(*documents: str, query: str = QUERY, **options: Any) -> RerankRequest:
    return RerankRequest(queries=(query,), documents=documents, **options)


def pair(query: str, document: str) -> tuple[list[int], list[int]]:
    """The ids and the types of the tokens of a pair."""
    first = [START, *ids(query), END]
    second = [*ids(document), END]
    return first + second, [0] * len(first) + [1] * len(second)


def ids(text: str) -> list[int]:
    unknown = VOCABULARY.index("<unk>")
    return [VOCABULARY.index(word) if word in VOCABULARY else unknown for word in text.split()]


def expected(folder: Path, query: str, document: str) -> Any:
    tokens, types = (np.array([one]) for one in pair(query, document))
    return logits(folder, tokens, np.ones_like(tokens), types)[0]


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    folder = write_reranker(tmp_path / "bert")
    write_classifier(folder)
    return folder


def assert_same(*results: RerankResult) -> None:
    """All but the rounding of batches."""
    for one in results[1:]:
        assert one.prompt_tokens == results[0].prompt_tokens
        assert one.scores == pytest.approx(results[0].scores, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_equal_the_formulas(tmp_path: Path, kind: str) -> None:
    folder = write_reranker(tmp_path, kind)
    write_classifier(folder)
    (found,) = reranked(folder, rerank_request(*DOCUMENTS))
    scores = [expected(folder, QUERY, document)[0] for document in DOCUMENTS]
    assert found.scores == pytest.approx(scores, abs=1e-4)
    assert found.prompt_tokens == sum(len(pair(QUERY, one)[0]) for one in DOCUMENTS)


def test_two_labels(tmp_path: Path) -> None:
    folder = write_reranker(tmp_path, labels=2)
    write_classifier(folder)
    (found,) = reranked(folder, rerank_request(*DOCUMENTS))
    both = [expected(folder, QUERY, document) for document in DOCUMENTS]
    assert found.scores == pytest.approx([yes - no for no, yes in both], abs=1e-4)


def test_three_labels_are_not_a_rerankers(tmp_path: Path) -> None:
    folder = write_reranker(tmp_path, labels=3)
    write_classifier(folder)
    with pytest.raises(Unavailable, match=r"`tiny` cannot be loaded\. .* 3 numbers"):
        reranked(folder)


def test_many_requests_do_not_mix(bert: Path) -> None:
    documents = [" ".join(f"w{(n + k) % 50}" for k in range(n % 7 + 1)) for n in range(60)]
    (whole,) = reranked(bert, rerank_request(*documents))
    apart = reranked(bert, *(rerank_request(one) for one in documents), batch_tokens=32)
    assert whole.scores == pytest.approx([one.scores[0] for one in apart], abs=1e-4)


def test_odd_texts(bert: Path) -> None:
    odd = ("\ud800", "a\udfff\ud800b", "", "\x00", "w1 " * 100_000)
    (found,) = reranked(bert, rerank_request(*odd))
    assert np.isfinite(found.scores).all()
    assert found.prompt_tokens <= len(odd) * LIMIT


@pytest.mark.parametrize("query", ["w1", "w1 w2 w3 w4 w5 w6 w7 w8"])
@pytest.mark.parametrize("document", ["w9", "w9 " * 5, "w9 w8 " * 40])
def test_pairs_are_those_of_the_tokenizer(bert: Path, query: str, document: str) -> None:
    (row,) = PairTokenizer(bert, read_json(bert / "config.json")).rows(
        rerank_request(document, query=query)
    )
    reference = Tokenizer.from_file(str(bert / "tokenizer.json"))
    reference.no_padding()
    reference.enable_truncation(LIMIT, strategy="longest_first")
    encoded = reference.encode(query, document)
    assert list(row.content) == encoded.ids
    assert row.second == encoded.type_ids.index(1)


def test_limits(bert: Path) -> None:
    long = " ".join(f"w{n}" for n in range(30))
    cut = rerank_request(long, document_tokens=3)
    by_pair = rerank_request(long, pair_tokens=3 + 3 + 2)
    at_most = rerank_request(long, pair_tokens=100)
    small, again, whole, room = reranked(bert, cut, by_pair, at_most, rerank_request("w0 w1 w2"))
    assert_same(small, again, room)
    assert whole.prompt_tokens == LIMIT
    with pytest.raises(ContextLengthExceeded, match=f"Document 1 .* {LIMIT} tokens"):
        reranked(bert, rerank_request("w1", long, truncate=False))
    assert_same(small, *reranked(bert, rerank_request(long, document_tokens=3, truncate=False)))
    assert_same(small, *reranked(bert, rerank_request(long, pair_tokens=8, truncate=False)))
    (empty,) = reranked(bert, rerank_request(long, pair_tokens=1))
    assert empty.prompt_tokens == 3


def test_truncation_from_the_left(bert: Path) -> None:
    file = bert / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"truncation_side": "left"}))
    first, second = reranked(
        bert, rerank_request("w1 w2 w3", document_tokens=2), rerank_request("w2 w3")
    )
    assert_same(first, second)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_shares(first: int, second: int, room: int) -> None:
    kept = shared(first, second, room)
    assert sum(kept) == min(room, first + second)
    assert kept[0] <= first
    assert kept[1] <= second
    if kept[0] < first and kept[1] < second:
        assert abs(kept[0] - kept[1]) <= 1
    elif kept[0] < first:
        assert kept[0] >= second - 1
    elif kept[1] < second:
        assert kept[1] >= first - 1


def test_a_tokenizer_that_joins_no_texts(bert: Path) -> None:
    tokenizer = json.loads((bert / "tokenizer.json").read_text())
    tokenizer["post_processor"] = None
    (bert / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(Unavailable, match="how two texts are joined"):
        reranked(bert)


def write_constant(folder: Path, value: float, axes: list[str | int]) -> None:
    """A graph that answers with the sum of each text's ids times `value`."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["ids", "mask"], ["real"]),
        helper.make_node("Mul", ["real", "value"], ["scaled"]),
        helper.make_node("ReduceSum", ["scaled", "axes"], ["score"], keepdims=len(axes) - 1),
    ]
    named = ["batch", "sequence"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, named)
        for name in ("input_ids", "attention_mask")
    ]
    graph = helper.make_graph(
        nodes,
        "sum",
        inputs,
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, axes)],
        [
            helper.make_tensor("value", TensorProto.FLOAT, [1], [value]),
            helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        ],
    )
    opsets = [helper.make_opsetid("", 20)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder / "model.onnx")


@pytest.mark.parametrize("axes", [["batch"], ["batch", 1]])
def test_a_graph_of_another_maker(bert: Path, axes: list[str | int]) -> None:
    (bert / "model.safetensors").unlink()
    write_constant(bert, 0.25, axes)
    (found,) = reranked(bert, rerank_request(*DOCUMENTS))
    assert found.scores == pytest.approx([0.25 * sum(pair(QUERY, one)[0]) for one in DOCUMENTS])


def test_scores_that_are_not_finite(bert: Path) -> None:
    write_constant(bert, float("nan"), ["batch", 1])
    with pytest.raises(EngineFailed, match="not finite"):
        reranked(bert, rerank_request(*DOCUMENTS))
