"""The graph of an encoder that was adapted to scoring, against numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load_file, save_file

from openedai.engines.moderation.adapted import adapted_graph
from openedai.errors import EngineFailed
from openedai.weights.onnx_graph.write import write_graph
from tests.weights.onnx_graph.test_onnx_graph import batch
from tests.weights.onnx_graph.tiny_encoder import HIDDEN, INNER, hidden_states, write_encoder
from tests.weights.onnx_graph.tiny_modernbert import gelu

LABELS, WIDTH, RANK = 3, 7, 2
ADAPTED = {
    "encoder.layer.0.attention.self.query": (HIDDEN, HIDDEN),
    "encoder.layer.1.intermediate.dense": (HIDDEN, INNER),
}


def trained() -> dict[str, Any]:
    random = np.random.default_rng(5)
    found = {
        "hidden.weight": random.normal(0, 0.3, (2 * HIDDEN, WIDTH)),
        "hidden.bias": random.normal(0, 0.3, WIDTH),
        "output.weight": random.normal(0, 0.5, (WIDTH, LABELS)),
        "output.bias": random.normal(0, 0.3, LABELS),
    }
    for name, (inputs, outputs) in ADAPTED.items():
        found[f"{name}.down"] = random.normal(0, 0.5, (inputs, RANK))
        found[f"{name}.up"] = random.normal(0, 0.5, (RANK, outputs))
    return {name: values.astype(np.float32) for name, values in found.items()}


def run(raw: bytes, folder: Path, ids: Any, mask: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(folder)
    )
    session = onnxruntime.InferenceSession(raw, options)
    return session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]


@pytest.mark.parametrize(
    ("prefix", "dtype", "tolerance"), [("", "f4", 5e-5), ("bert.", "f4", 5e-5), ("", "f2", 5e-2)]
)
def test_equals_weights_that_have_the_products_added(
    tmp_path: Path, prefix: str, dtype: str, tolerance: float
) -> None:
    folder = write_encoder(tmp_path, "bert", prefix=prefix, dtype=dtype)
    ids, mask = batch(5, 17, shortest=2)
    values = trained()
    found = run(adapted_graph(write_graph(folder), values), folder, ids, mask)
    weights = load_file(folder / "model.safetensors")
    for name in ADAPTED:
        product = values[f"{name}.down"] @ values[f"{name}.up"]
        weights[f"{prefix}{name}.weight"] = weights[f"{prefix}{name}.weight"] + product.T
    save_file(weights, folder / "model.safetensors")
    states = hidden_states(folder, ids, mask)
    kept = mask[..., None].astype(bool)
    mean = (states * kept).sum(1) / mask.sum(1)[:, None]
    highest = np.where(kept, states, -np.inf).max(1)
    pooled = np.concatenate([mean, highest], axis=1)
    hidden = gelu(pooled @ values["hidden.weight"] + values["hidden.bias"])
    expected = hidden @ values["output.weight"] + values["output.bias"]
    np.testing.assert_allclose(found, expected, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("encoder.layer.7.output.dense.down", (INNER, RANK)),
        ("encoder.layer.0.attention.self.query.up", (RANK, HIDDEN + 1)),
        ("hidden.weight", (HIDDEN, WIDTH)),
    ],
)
def test_what_was_trained_for_another_encoder(
    tmp_path: Path, name: str, shape: tuple[int, int]
) -> None:
    values = trained() | {name: np.zeros(shape, np.float32)}
    if name.endswith("dense.down"):
        values[name.replace("down", "up")] = np.zeros((RANK, HIDDEN), np.float32)
    graph = write_graph(write_encoder(tmp_path, "bert"))
    with pytest.raises(EngineFailed, match="trained for another encoder"):
        adapted_graph(graph, values)


def test_a_graph_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(EngineFailed, match=r"model\.onnx of the model cannot be read"):
        adapted_graph(tmp_path / "model.onnx", trained())
