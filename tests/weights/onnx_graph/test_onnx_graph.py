from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from openedai.errors import EngineFailed, Unavailable
from openedai.weights.onnx_graph.bert import relative_buckets
from openedai.weights.onnx_graph.write import write_graph
from tests.weights.onnx_graph import tiny_encoder
from tests.weights.onnx_graph.tiny_encoder import (
    HIDDEN,
    KINDS,
    PAD,
    POSITIONS,
    hidden_states,
    write_encoder,
)


def batch(rows: int, length: int, *, shortest: int = 1) -> tuple[Any, Any]:
    """Random ids and their mask, each row of another length."""
    random = np.random.default_rng(rows * 1000 + length)
    ids = random.integers(4, len(tiny_encoder.VOCABULARY), (rows, length))
    lengths = np.linspace(shortest, length, rows).astype(int)
    mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
    return np.where(mask == 1, ids, PAD), mask


def run(graph: Path, ids: Any, mask: Any) -> Any:
    session = onnxruntime.InferenceSession(str(graph))
    assert [entry.name for entry in session.get_inputs()] == ["input_ids", "attention_mask"]
    return session.run(["last_hidden_state"], {"input_ids": ids, "attention_mask": mask})[0]


@pytest.mark.parametrize("kind", [*KINDS, "modernbert"])
@pytest.mark.parametrize(("rows", "length"), [(1, 1), (1, 40), (5, 17)])
def test_equals_the_reference(tmp_path: Path, kind: str, rows: int, length: int) -> None:
    folder = write_encoder(tmp_path, kind)
    ids, mask = batch(rows, length)
    found = run(write_graph(folder), ids, mask)
    assert found.dtype == np.float32
    assert found.shape == (rows, length, HIDDEN)
    real = mask == 1
    np.testing.assert_allclose(found[real], hidden_states(folder, ids, mask)[real], atol=2e-5)


@pytest.mark.parametrize("kind", ["mpnet", "roberta"])
def test_padding_inside_a_text_is_skipped(tmp_path: Path, kind: str) -> None:
    folder = write_encoder(tmp_path, kind)
    ids = np.array([[5, 6, PAD, 7, 8]])
    mask = np.ones_like(ids)
    found = run(write_graph(folder), ids, mask)
    np.testing.assert_allclose(found, hidden_states(folder, ids, mask), atol=2e-5)


@pytest.mark.parametrize("kind", [*KINDS, "modernbert"])
def test_half_precision_and_prefixed_names(tmp_path: Path, kind: str) -> None:
    folder = write_encoder(tmp_path / "half", kind, prefix=f"{kind}.", dtype="float16")
    plain = write_encoder(tmp_path / "plain", kind)
    ids, mask = batch(2, 9, shortest=9)
    found = run(write_graph(folder), ids, mask)
    np.testing.assert_allclose(found, run(write_graph(plain), ids, mask), atol=0.05)
    assert not np.allclose(found, 0)


def test_weights_are_not_copied(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path, "bert")
    graph = write_graph(folder)
    weights = (folder / "model.safetensors").read_bytes()
    assert weights[-64:] not in graph.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.onnx",
        "model.safetensors",
    ]


def test_works_after_a_move_and_over_a_hard_link(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "a", "bert")
    write_graph(folder)
    moved = tmp_path / "b"
    moved.mkdir()
    os.link(folder / "model.safetensors", moved / "model.safetensors")
    (folder / "model.onnx").rename(moved / "model.onnx")
    ids, mask = batch(2, 3)
    assert run(moved / "model.onnx", ids, mask).shape == (2, 3, HIDDEN)


def test_buckets_are_those_of_the_reference() -> None:
    expected = tiny_encoder.relative_buckets(np.arange(-599, 600))
    assert relative_buckets(600, 32) == expected.tolist()


def test_a_sequence_can_fill_all_positions(tmp_path: Path) -> None:
    for kind, offset in (("bert", 0), ("mpnet", PAD + 1)):
        folder = write_encoder(tmp_path / kind, kind)
        ids, mask = batch(1, POSITIONS - offset, shortest=POSITIONS - offset)
        found = run(write_graph(folder), ids, mask)
        np.testing.assert_allclose(found, hidden_states(folder, ids, mask), atol=2e-5)


def change(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"model_type": "deberta-v2"}, "deberta-v2"),
        ({"model_type": None}, "None"),
        ({"hidden_act": "swish"}, "swish"),
        ({"position_embedding_type": "relative_key"}, "position"),
        ({"is_decoder": True}, "decoder"),
    ],
)
def test_refuses_other_architectures(tmp_path: Path, values: dict[str, Any], named: str) -> None:
    folder = write_encoder(tmp_path, "bert")
    change(folder, **values)
    with pytest.raises(Unavailable, match=named) as caught:
        write_graph(folder)
    assert "openedai[sentence-transformers]" in caught.value.message
    assert not (folder / "model.onnx").exists()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"hidden_size": HIDDEN * 2}, "word_embeddings.weight"),
        ({"num_hidden_layers": 3}, "encoder.layer.2"),
        ({"max_position_embeddings": POSITIONS + 1}, "position_embeddings"),
        ({"num_attention_heads": 3}, "heads"),
        ({"num_hidden_layers": 0}, "layers"),
        ({"hidden_size": "many"}, "config.json"),
        ({"intermediate_size": None}, "config.json"),
    ],
)
def test_refuses_inconsistent_files(tmp_path: Path, values: dict[str, Any], named: str) -> None:
    folder = write_encoder(tmp_path, "bert")
    (folder / "model.onnx").write_text("an older graph")
    change(folder, **values)
    with pytest.raises(EngineFailed, match=named):
        write_graph(folder)
    assert (folder / "model.onnx").read_text() == "an older graph"
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02\0\0\0\0\0\0\0[]",
        b"\x04\0\0\0\0\0\0\0nope",
        b"\xff" * 100,
        b'\x0b\0\0\0\0\0\0\0{"a":[1,2]}',
    ],
)
def test_refuses_broken_weights(tmp_path: Path, content: bytes) -> None:
    folder = write_encoder(tmp_path, "bert")
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(EngineFailed, match=r"model\.safetensors"):
        write_graph(folder)


def test_refuses_weights_that_are_cut_short(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path, "bert")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(EngineFailed, match="cut short"):
        write_graph(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_names_a_missing_file(tmp_path: Path, name: str) -> None:
    folder = write_encoder(tmp_path, "bert")
    (folder / name).unlink()
    with pytest.raises(EngineFailed, match=name):
        write_graph(folder)
