"""Rerankers in GGUF files, against numpy."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.engines.llama_cpp.pooled.reranker import LlamaCppReranker
from openedai.errors import ContextLengthExceeded, EngineFailed
from tests.gguf.tiny_reranker import write, write_decoder
from tests.weights.onnx_graph.tiny_classifier import logits
from tests.weights.onnx_graph.tiny_encoder import END, POSITIONS, START, VOCABULARY

QUERY = "w1 w2"
DOCUMENTS = ("w3", "w1 w2 w4", "w5 w6 w7 w8", "w9 " * 30)


def reranked(path: Path, *requests: RerankRequest, **options: Any) -> list[RerankResult]:
    async def go() -> list[RerankResult]:
        engine = await LlamaCppReranker.load("tiny", path, {"gpu_layers": 0, **options})
        try:
            return await asyncio.gather(*map(engine.rerank, requests))
        finally:
            await engine.close()

    return asyncio.run(go())


def rerank_request(*documents: str, query: str = QUERY, **options: Any) -> RerankRequest:
    return RerankRequest(queries=(query,), documents=documents, **options)


def tokens(text: str) -> list[int]:
    return [VOCABULARY.index(word) for word in text.split()]


def expected(folder: Path, document: str, query: str = QUERY) -> Any:
    ids = np.array([[START, *tokens(query), END, *tokens(document), END]])
    return logits(folder, ids, np.ones_like(ids))[0]


def assert_same(*results: RerankResult) -> None:
    """All but the rounding of batches."""
    for one in results[1:]:
        assert one.prompt_tokens == results[0].prompt_tokens
        assert one.scores == pytest.approx(results[0].scores, abs=1e-4)


def test_scores_equal_the_formulas(tmp_path: Path) -> None:
    (found,) = reranked(write(tmp_path), rerank_request(*DOCUMENTS))
    scores = [expected(tmp_path, document)[0] for document in DOCUMENTS]
    assert found.scores == pytest.approx(scores, abs=2e-2)
    assert found.prompt_tokens == sum(len(tokens(one)) + 5 for one in DOCUMENTS)


def test_two_labels(tmp_path: Path) -> None:
    (found,) = reranked(write(tmp_path, labels=2), rerank_request(*DOCUMENTS))
    both = [expected(tmp_path, document) for document in DOCUMENTS]
    assert found.scores == pytest.approx([yes - no for no, yes in both], abs=4e-2)


def test_batches_do_not_mix(tmp_path: Path) -> None:
    documents = [" ".join(f"w{(n + k) % 50}" for k in range(n % 7 + 1)) for n in range(150)]
    path = write(tmp_path)
    (whole,) = reranked(path, rerank_request(*documents))
    apart = reranked(path, *(rerank_request(one) for one in documents), batch=16)
    assert whole.scores == pytest.approx([one.scores[0] for one in apart], abs=1e-3)


def test_limits(tmp_path: Path) -> None:
    path, long = write(tmp_path), " ".join(f"w{n}" for n in range(50)) * 2
    cut = rerank_request(long, document_tokens=3)
    small, again, whole, room = reranked(
        path,
        cut,
        rerank_request(long, pair_tokens=8),
        rerank_request(long),
        rerank_request("w0 w1 w2"),
    )
    assert_same(small, again, room)
    assert whole.prompt_tokens == POSITIONS
    with pytest.raises(ContextLengthExceeded, match=f"Document 1 .* {POSITIONS} tokens"):
        reranked(path, rerank_request("w1", long, truncate=False))
    (shorter,) = reranked(path, rerank_request(long), context=20)
    assert shorter.prompt_tokens == 20


def test_the_template_in_the_weights(tmp_path: Path) -> None:
    path = write(tmp_path, template="w40 {query} w41 {document} w42")
    long = "w5 " * 90
    found, cut = reranked(path, rerank_request(*DOCUMENTS[:3]), rerank_request(long))
    ids = [[*tokens(f"w40 {QUERY} w41 {document} w42")] for document in DOCUMENTS[:3]]
    scores = [logits(tmp_path, np.array([row]), np.ones((1, len(row))))[0][0] for row in ids]
    assert found.scores == pytest.approx(scores, abs=2e-2)
    assert cut.prompt_tokens == POSITIONS


def test_a_decoder_that_answers_yes_or_no(tmp_path: Path) -> None:
    path = write_decoder(tmp_path / "tiny.gguf")
    documents = [*DOCUMENTS, *(" ".join(f"w{n}" for n in range(k)) for k in range(3, 40, 3))]
    (whole,) = reranked(path, rerank_request(*documents))
    apart = reranked(path, *(rerank_request(one) for one in documents), batch=64)
    assert whole.scores == pytest.approx([one.scores[0] for one in apart], abs=1e-3)
    assert len({round(score, 2) for score in whole.scores}) > 5
    (swapped,) = reranked(
        write_decoder(tmp_path / "swapped.gguf", swapped=True), rerank_request(*documents)
    )
    assert swapped.scores == pytest.approx([-score for score in whole.scores], abs=1e-2)


def test_a_model_without_a_classifier(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="`tiny` is no reranker: its weights"):
        reranked(write(tmp_path, head=False))


def test_three_labels_are_not_a_rerankers(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="`tiny` is no reranker: its classifier has 3 outputs"):
        reranked(write(tmp_path, labels=3))


def test_a_file_that_is_no_gguf(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"nothing")
    with pytest.raises(EngineFailed, match="`tiny` cannot be read"):
        reranked(tmp_path / "a.gguf")
