"""Scores of texts by an engine with an encoder of random weights."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openedai.contract.embed import EmbedRequest
from openedai.contract.generate import Text
from openedai.contract.moderate import CATEGORIES, ModerateRequest, ModerateResult
from openedai.engines.embedding.onnx import OnnxEmbeddings
from openedai.engines.moderation.classifier import Classifier, written_classifier
from openedai.errors import EngineFailed, Unavailable
from openedai.weights.onnx_graph.write import write_graph
from tests.weights.onnx_graph.tiny_encoder import HIDDEN, write_model

WIDTH = 6
HATE = CATEGORIES.index("hate")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_model(tmp_path / "model", "bert")
    write_graph(folder)
    return folder


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """Those of an engine with a classifier of random weights."""
    random = np.random.default_rng(2)
    tensors = {
        "hidden.weight": random.normal(0, 0.5, (2 * HIDDEN, WIDTH)).astype(np.float32),
        "hidden.bias": np.zeros(WIDTH, np.float32),
        "output.weight": random.normal(0, 1, (WIDTH, len(CATEGORIES))).astype(np.float32),
        "output.bias": np.zeros(len(CATEGORIES), np.float32),
    }
    thresholds = [0.9] * len(CATEGORIES)
    thresholds[HATE] = 0.0
    file = tmp_path / "own.safetensors"
    file.write_bytes(written_classifier(Classifier(tensors, tuple(thresholds))))
    return {"moderation": str(file)}


def request(*texts: str) -> ModerateRequest:
    return ModerateRequest(inputs=tuple(Text(text=text) for text in texts))


def moderated(
    folder: Path, options: dict[str, Any], *requests: ModerateRequest
) -> list[ModerateResult]:
    async def go() -> list[ModerateResult]:
        engine = await OnnxEmbeddings.load("tiny", folder, options)
        try:
            return await asyncio.gather(*map(engine.moderate, requests))
        finally:
            await engine.close()

    return asyncio.run(go())


def test_requests_at_once_have_the_scores_of_each(folder: Path, options: dict[str, Any]) -> None:
    requests = [request("w1 w2", "w3"), request("w4 w5 w6 w7"), request("w3")]
    together = moderated(folder, options, *requests)
    assert [len(one.assessments) for one in together] == [2, 1, 1]
    single = [moderated(folder, options, one)[0] for one in requests]
    for one, expected in zip(together, single, strict=True):
        for found, alone in zip(one.assessments, expected.assessments, strict=True):
            assert found.scores == pytest.approx(alone.scores, abs=1e-5)
    assert together[0].assessments[1].scores == pytest.approx(together[2].assessments[0].scores)
    assert together[0].assessments[0].scores != pytest.approx(together[1].assessments[0].scores)


def test_flagged_is_what_reaches_its_threshold(folder: Path, options: dict[str, Any]) -> None:
    ((found,),) = (one.assessments for one in moderated(folder, options, request("w1")))
    assert set(found.scores) == set(CATEGORIES)
    assert "hate" in found.flagged
    assert set(found.flagged) - {"hate"} == {
        name for name, score in found.scores.items() if score >= 0.9 and name != "hate"
    }


def test_a_text_has_the_highest_scores_of_its_windows(
    folder: Path, options: dict[str, Any]
) -> None:
    parts = [f"{word} " * 110 + "." for word in ("w1", "w2", "w3")]
    (result,) = moderated(folder, options, request(" ".join(parts), *parts))
    whole, *single = (one.scores for one in result.assessments)
    for name in CATEGORIES:
        assert whole[name] == pytest.approx(max(one[name] for one in single), abs=1e-5)


def test_an_engine_without_a_classifier(folder: Path) -> None:
    with pytest.raises(EngineFailed, match="no classifier for moderation"):
        moderated(folder, {}, request("w1"))


def test_a_classifier_that_is_nowhere(folder: Path) -> None:
    with pytest.raises(EngineFailed, match=r"cannot be loaded\. There is no moderation classifier"):
        moderated(folder, {"moderation": "nowhere"})


def test_the_encoder_embeds_as_before(folder: Path, options: dict[str, Any]) -> None:
    async def vectors(moderate: bool) -> bytes:
        engine = await OnnxEmbeddings.load("tiny", folder, options)
        try:
            if moderate:
                await engine.moderate(request("w1 w2"))
            return (await engine.embed(EmbedRequest(inputs=(Text(text="w1 w2"),)))).data
        finally:
            await engine.close()

    assert asyncio.run(vectors(moderate=True)) == asyncio.run(vectors(moderate=False))


def test_an_engine_that_is_closed(folder: Path, options: dict[str, Any]) -> None:
    async def go() -> None:
        engine = await OnnxEmbeddings.load("tiny", folder, options)
        await engine.close()
        with pytest.raises(Unavailable, match="being unloaded"):
            await engine.moderate(request("w1"))

    asyncio.run(go())
