"""Training of classifiers for moderation, on an encoder of random weights."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from moderation.texts import LabelledText, labels_of

from openedai.contract.generate import Text
from openedai.contract.moderate import CATEGORIES, Assessment, ModerateRequest
from openedai.engines.embedding.onnx import OnnxEmbeddings
from openedai.engines.moderation.classifier import Classifier, written_classifier
from openedai.weights.onnx_graph.write import write_graph
from tests.weights.onnx_graph.tiny_encoder import write_model

pytestmark = [
    pytest.mark.extras,
    # Those of the libraries, not ours to mend.
    pytest.mark.filterwarnings("default"),
]
WORDS = {"none": "w8", "hate": "w7", "violence": "w9"}


def texts(count: int, seed: int) -> list[LabelledText]:
    """One word among others decides the label."""
    chooser = np.random.default_rng(seed)
    found = []
    for number in range(count):
        label = list(WORDS)[number % 3]
        words = [f"w{word}" for word in chooser.integers(10, 50, 5)]
        words[chooser.integers(5)] = WORDS[label]
        group = f"{seed} {number}"
        found.append(LabelledText(" ".join(words), labels_of(label), "made up", group))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_model(tmp_path_factory.mktemp("model"), "bert")
    write_graph(folder)
    return folder


@pytest.fixture(scope="module")
def classifier(folder: Path) -> Classifier:
    from moderation.training import trained

    return trained(texts(3000, 0), folder, epochs=20)


def test_the_same_texts_give_the_same_file(folder: Path) -> None:
    from moderation.training import trained

    first, second = (written_classifier(trained(texts(300, 0), folder)) for _ in range(2))
    assert first == second


def test_the_engine_knows_what_was_learned(
    folder: Path, classifier: Classifier, tmp_path: Path
) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(written_classifier(classifier))
    unseen = texts(300, 1)

    async def go() -> tuple[Assessment, ...]:
        engine = await OnnxEmbeddings.load("tiny", folder, {"moderation": str(file)})
        try:
            request = ModerateRequest(inputs=tuple(Text(text=one.text) for one in unseen))
            return (await engine.moderate(request)).assessments
        finally:
            await engine.close()

    right = [
        all((name in found.flagged) == bool(one.labels[name]) for name in ("hate", "violence"))
        for one, found in zip(unseen, asyncio.run(go()), strict=True)
    ]
    assert len(CATEGORIES) == len(classifier.thresholds)
    assert np.mean(right) > 0.95
