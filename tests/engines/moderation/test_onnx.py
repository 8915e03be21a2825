"""Sequence classifiers as moderators, against numpy."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openedai.contract.generate import Text
from openedai.contract.moderate import Assessment, ModerateRequest, ModerateResult
from openedai.engines.moderation.labels import LETTERS, categories_of_labels, label_names
from openedai.engines.moderation.onnx import OnnxClassifier
from openedai.engines.moderation.windows import windows
from openedai.errors import APIError, EngineFailed, Unavailable
from openedai.weights.onnx_graph.write import write_classifier
from tests.weights.onnx_graph.tiny_classifier import KINDS, logits, write_reranker
from tests.weights.onnx_graph.tiny_encoder import END, LIMIT, START, VOCABULARY

JIGSAW = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
MULTI = {"problem_type": "multi_label_classification"}
TEXTS = ("w1 w2 w3", "w4", "w5 w6 w7 w8 w9", "never seen")


def write(folder: Path, *labels: str, kind: str = "bert", **config: Any) -> Path:
    names = {str(index): name for index, name in enumerate(labels)}
    write_reranker(folder, kind, labels=len(labels), id2label=names, **config)
    write_classifier(folder)
    return folder


def moderated(folder: Path, *texts: str, **options: Any) -> ModerateResult:
    async def go() -> ModerateResult:
        engine = await OnnxClassifier.load("tiny", folder, options)
        try:
            request = ModerateRequest(inputs=tuple(Text(text=text) for text in texts))
            return await engine.moderate(request)
        finally:
            await engine.close()

    return asyncio.run(go())


def assessed(folder: Path, text: str, **options: Any) -> Assessment:
    (one,) = moderated(folder, text, **options).assessments
    return one


def expected(folder: Path, text: str) -> Any:
    """The logits of a text that fits the model."""
    unknown = VOCABULARY.index("<unk>")
    body = [VOCABULARY.index(w) if w in VOCABULARY else unknown for w in text.split()]
    ids = np.array([[START, *body, END]])
    return logits(folder, ids, np.ones_like(ids), np.zeros_like(ids))[0]


def sigmoid(value: Any) -> Any:
    return 1 / (1 + np.exp(-value))


def softmax(value: Any) -> Any:
    return np.exp(value) / np.exp(value).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_may_be_true_together(tmp_path: Path, kind: str) -> None:
    folder = write(tmp_path, *JIGSAW, kind=kind, **MULTI)
    for text, found in zip(TEXTS, moderated(folder, *TEXTS).assessments, strict=True):
        toxic, severe, obscene, threat, insult, hate = sigmoid(expected(folder, text))
        assert found.scores == pytest.approx(
            {
                "harassment": max(toxic, severe, obscene, insult),
                "harassment/threatening": threat,
                "hate": hate,
                "violence": threat,
            },
            abs=1e-4,
        )
        assert set(found.flagged) == {name for name, score in found.scores.items() if score >= 0.5}


def test_labels_that_exclude_each_other(tmp_path: Path) -> None:
    folder = write(tmp_path, "OK", "hate", "Identity-Attack", "self-harm")
    for text in TEXTS:
        _, *hates, harm = softmax(expected(folder, text))
        assert assessed(folder, text).scores == pytest.approx(
            {"hate": sum(hates), "self-harm": harm}, abs=1e-4
        )


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_an_activation_that_is_given(tmp_path: Path, activation: str) -> None:
    folder = write(tmp_path, "nothate", "hate")
    function = {"sigmoid": sigmoid, "softmax": softmax}[activation]
    found = assessed(folder, "w1 w2", activation=activation)
    assert found.scores == pytest.approx({"hate": function(expected(folder, "w1 w2"))[1]}, abs=1e-4)


def test_one_label_is_a_yes_or_no(tmp_path: Path) -> None:
    folder = write(tmp_path, "OFFENSIVE")
    (logit,) = expected(folder, "w1 w2")
    found = assessed(folder, "w1 w2")
    assert found.scores == pytest.approx({"harassment": sigmoid(logit)}, abs=1e-4)


def test_labels_of_the_options(tmp_path: Path) -> None:
    folder = write(tmp_path, "LABEL_0", "LABEL_1", "LABEL_2")
    labels = {"LABEL_1": "sexual", "LABEL_2": ["violence", "violence/graphic"]}
    _, first, second = softmax(expected(folder, "w1"))
    assert assessed(folder, "w1", labels=labels).scores == pytest.approx(
        {"sexual": first, "violence": second, "violence/graphic": second}, abs=1e-4
    )


def test_the_threshold(tmp_path: Path) -> None:
    folder = write(tmp_path, "nothate", "hate")
    score = assessed(folder, "w1").scores["hate"]
    assert assessed(folder, "w1", threshold=score / 2).flagged == ("hate",)
    assert assessed(folder, "w1", threshold=(score + 1) / 2).flagged == ()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, Unavailable, r"`tiny` cannot be loaded\. Its labels LABEL_0, LABEL_1 are not known"),
        (
            {"labels": {"LABEL_7": "hate"}},
            EngineFailed,
            "names `LABEL_7`, but its labels are LABEL_0, LABEL_1",
        ),
        ({"labels": {"LABEL_1": "anger"}}, EngineFailed, "no category for `anger`"),
        ({"labels": {"LABEL_1": ["hate", "anger"]}}, EngineFailed, "no category for `anger`"),
        ({"threshold": 2}, EngineFailed, "threshold"),
        ({"activation": "relu"}, EngineFailed, "activation"),
    ],
)
def test_bad_options(
    tmp_path: Path, options: dict[str, Any], error: type[APIError], message: str
) -> None:
    folder = write(tmp_path, "LABEL_0", "LABEL_1")
    with pytest.raises(error, match=message):
        moderated(folder, "w1", **options)


def test_long_texts_have_the_highest_scores_of_their_parts(tmp_path: Path) -> None:
    folder = write(tmp_path, *JIGSAW, **MULTI)
    text = " ".join(f"w{number * 7 % 50}" for number in range(300))
    words, room = [window.split() for window in windows(text)], LIMIT - 2
    assert len(words) > 1
    parts = [
        " ".join(window[start : start + room])
        for window in words
        for start in range(0, len(window), room)
    ]
    whole = assessed(folder, text)
    apart = moderated(folder, *parts).assessments
    for name, score in whole.scores.items():
        assert score == pytest.approx(max(one.scores[name] for one in apart), abs=1e-4)
    words_read = sum(map(len, words))
    assert moderated(folder, text).prompt_tokens == words_read + 2 * len(parts)


def test_odd_texts(tmp_path: Path) -> None:
    folder = write(tmp_path, *JIGSAW, **MULTI)
    odd = ("", " ", "\ud800", "\x00", "w1 " * 100_000, "x" * 5000)
    result = moderated(folder, *odd)
    assert all(0 <= score <= 1 for one in result.assessments for score in one.scores.values())


def test_tokens_are_counted(tmp_path: Path) -> None:
    folder = write(tmp_path, "hate", **MULTI)
    assert moderated(folder, "w1 w2", "w3").prompt_tokens == 4 + 3


def test_letters_mean_something_together_only() -> None:
    names = ["OK", "S", "H", "V", "HR", "SH", "S3", "H2", "V2"]
    found = categories_of_labels(names, {})
    assert found == {
        category: [names.index(letters.upper())] for letters, (category,) in LETTERS.items()
    }
    with pytest.raises(Unavailable):
        categories_of_labels(["S", "H", "V"], {})


def test_names_of_labels() -> None:
    assert label_names({"id2label": {"0": "ok", "1": "hate"}}, 2) == ["ok", "hate"]
    assert label_names({}, 2) == ["LABEL_0", "LABEL_1"]
    assert list(categories_of_labels(["Sexual/Minors", "self_harm/intent", "fine"], {})) == [
        "self-harm/intent",
        "sexual/minors",
    ]
