"""A cross-encoder that was trained: it ranks what it has not seen, as torch says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openedai.contract.rerank import RerankRequest, RerankResult
from openedai.engines.reranker.onnx import OnnxReranker
from openedai.weights.onnx_graph.write import write_classifier
from tests.extras.tiny_ranker import document, pair, text
from tests.extras.trained import tiny_ranker_folder

pytestmark = [
    pytest.mark.extras,
    # Those of the libraries, not ours to mend.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def folder() -> Path:
    folder = tiny_ranker_folder()
    write_classifier(folder)
    return folder


def reranked(folder: Path, *requests: RerankRequest) -> list[RerankResult]:
    async def go() -> list[RerankResult]:
        engine = await OnnxReranker.load("tiny", folder, {})
        try:
            return await asyncio.gather(*map(engine.rerank, requests))
        finally:
            await engine.close()

    return asyncio.run(go())


def held_out(queries: int) -> list[RerankRequest]:
    """Queries of pairs of words that were not trained. Of eight documents the first has both
    words, half of the others have one.
    """
    random = np.random.default_rng(99)
    requests = []
    for _ in range(queries):
        query = pair(random, held_out=True)
        commons = [2, *(number % 2 for number in range(7))]
        documents = tuple(text(document(random, query, common)) for common in commons)
        requests.append(RerankRequest(queries=(text(query),), documents=documents))
    return requests


def test_the_order_is_learned(folder: Path) -> None:
    results = reranked(folder, *held_out(200))
    first = [int(np.argmax(result.scores)) == 0 for result in results]
    assert np.mean(first) > 0.95
    relevant = np.array([result.scores[0] for result in results])
    others = np.array([result.scores[1:] for result in results])
    assert np.mean(relevant > 0) > 0.9
    assert np.mean(others < 0) > 0.9


def test_scores_equal_those_of_torch(folder: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

    model: Any = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    (request,) = held_out(1)
    (found,) = reranked(folder, request)
    for one, score in zip(request.documents, found.scores, strict=True):
        encoded = tokenizer(
            request.queries[0], one, return_tensors="pt", return_token_type_ids=True
        )
        with torch.no_grad():
            logit = model(**encoded).logits[0, 0].item()
        assert score == pytest.approx(logit, abs=1e-3)
