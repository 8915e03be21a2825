"""The graphs of sequence classifiers, and of ModernBERT's variants, against numpy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from openedai.errors import EngineFailed, Unavailable
from openedai.weights.onnx_graph.write import write_classifier, write_graph
from tests.weights.onnx_graph.test_onnx_graph import batch, change, run
from tests.weights.onnx_graph.tiny_classifier import KINDS, logits, write_classifier_files
from tests.weights.onnx_graph.tiny_encoder import hidden_states, write_encoder


def classify(graph: Path, ids: Any, mask: Any, types: Any) -> Any:
    session = onnxruntime.InferenceSession(str(graph))
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    taken = [entry.name for entry in session.get_inputs()]
    return session.run(["logits"], {name: given[name] for name in taken})[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", [1, 3])
def test_equals_the_reference(tmp_path: Path, kind: str, labels: int) -> None:
    folder = write_classifier_files(tmp_path, kind, labels=labels)
    ids, mask = batch(5, 17, shortest=2)
    types = (np.arange(17) > 5).astype(np.int64) * mask
    found = classify(write_classifier(folder), ids, mask, types)
    assert found.shape == (5, labels)
    expected = logits(folder, ids, mask, types if kind in ("bert", "roberta") else None)
    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_types_of_tokens_matter_where_there_are_several(tmp_path: Path) -> None:
    folder = write_classifier_files(tmp_path, "bert")
    graph = write_classifier(folder)
    ids, mask = batch(1, 9, shortest=9)
    zeros = np.zeros_like(ids)
    assert abs(classify(graph, ids, mask, zeros) - classify(graph, ids, mask, zeros + 1)) > 0.01


def test_the_mean_of_the_states(tmp_path: Path) -> None:
    folder = write_classifier_files(tmp_path, "modernbert", classifier_pooling="mean")
    ids, mask = batch(4, 11, shortest=3)
    found = classify(write_classifier(folder), ids, mask, None)
    np.testing.assert_allclose(found, logits(folder, ids, mask), atol=5e-5)


def test_an_xlm_roberta_is_a_roberta(tmp_path: Path) -> None:
    folder = write_classifier_files(tmp_path, "roberta")
    ids, mask = batch(2, 9)
    before = classify(write_classifier(folder), ids, mask, np.zeros_like(ids))
    change(folder, model_type="xlm-roberta")
    after = classify(write_classifier(folder), ids, mask, np.zeros_like(ids))
    np.testing.assert_array_equal(before, after)


def test_newer_configs_of_modernbert(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path, "modernbert")
    ids, mask = batch(2, 20)
    older = run(write_graph(folder), ids, mask)
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["rope_parameters"] = {
        "full_attention": {"rope_type": "default", "rope_theta": config.pop("global_rope_theta")},
        "sliding_attention": {"rope_type": "default", "rope_theta": config.pop("local_rope_theta")},
    }
    config["layer_types"] = ["full_attention", "sliding_attention"]
    file.write_text(json.dumps(config))
    np.testing.assert_array_equal(run(write_graph(folder), ids, mask), older)
    change(folder, layer_types=["full_attention"] * 2)
    assert not np.allclose(run(write_graph(folder), ids, mask), older, atol=1e-3)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"layer_types": ["full_attention", "chunked"]}, "chunked"),
        ({"layer_types": ["full_attention"]}, "full_attention"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "yarn"),
        ({"hidden_activation": "silu"}, "silu"),
        ({"classifier_pooling": "max"}, "max"),
        ({"classifier_activation": "silu"}, "silu"),
        ({"model_type": "deberta-v2"}, "deberta-v2"),
    ],
)
def test_refuses_other_architectures(tmp_path: Path, values: dict[str, Any], named: str) -> None:
    folder = write_classifier_files(tmp_path, "modernbert")
    change(folder, **values)
    with pytest.raises(Unavailable, match=named):
        write_classifier(folder)


@pytest.mark.parametrize("values", [{"num_hidden_layers": 3}, {"global_attn_every_n_layers": 0}])
def test_refuses_inconsistent_files(tmp_path: Path, values: dict[str, Any]) -> None:
    folder = write_classifier_files(tmp_path, "modernbert")
    change(folder, **values)
    with pytest.raises(EngineFailed):
        write_classifier(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_is_no_classifier(tmp_path: Path, kind: str) -> None:
    folder = write_encoder(tmp_path, kind)
    with pytest.raises(EngineFailed, match="has no tensor"):
        write_classifier(folder)
    assert not (folder / "model.onnx").exists()


def test_a_classifier_has_an_encoder(tmp_path: Path) -> None:
    folder = write_classifier_files(tmp_path, "modernbert")
    ids, mask = batch(2, 9, shortest=9)
    found = run(write_graph(folder), ids, mask)
    np.testing.assert_allclose(found, hidden_states(folder, ids, mask), atol=2e-5)
