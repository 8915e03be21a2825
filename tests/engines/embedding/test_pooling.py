from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from openedai.engines.embedding.pooling import pooled, read_head
from openedai.engines.embedding.prompts import Prompts
from openedai.errors import EngineFailed, Unavailable
from tests.weights.onnx_graph.tiny_encoder import HIDDEN, write_modules

STATES = np.random.default_rng(3).normal(0, 1, (3, 5, 4)).astype(np.float32)
LENGTHS = np.array([5, 1, 3])
# (texts, width)
VECTORS = np.random.default_rng(4).normal(0, 1, (2, HIDDEN)).astype(np.float32)


def by_hand(mode: str, tokens: Any) -> Any:
    match mode:
        case "cls":
            return tokens[0]
        case "lasttoken":
            return tokens[-1]
        case "max":
            return tokens.max(axis=0)
        case "mean":
            return tokens.sum(axis=0) / len(tokens)
        case "mean_sqrt_len_tokens":
            return tokens.sum(axis=0) / len(tokens) ** 0.5
    weights = range(1, len(tokens) + 1)
    return sum(token * weight for token, weight in zip(tokens, weights, strict=True)) / sum(weights)


MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


@pytest.mark.parametrize("mode", MODES)
def test_modes_ignore_padding(mode: str) -> None:
    found = pooled(mode, STATES, LENGTHS)
    expected = [by_hand(mode, row[:length]) for row, length in zip(STATES, LENGTHS, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("config", "modes"),
    [
        ({"pooling_mode_mean_tokens": True}, ("mean",)),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ("cls",)),
        ({"pooling_mode_weightedmean_tokens": True}, ("weightedmean",)),
        ({"pooling_mode_lasttoken": True, "pooling_mode_max_tokens": True}, ("max", "lasttoken")),
        ({"pooling_mode": "cls"}, ("cls",)),
        ({"pooling_mode": ["mean", "max"]}, ("mean", "max")),
        ({"pooling_mode": "cls", "pooling_mode_mean_tokens": True}, ("cls",)),
        ({}, ("mean",)),
    ],
)
def test_old_and_new_configs(tmp_path: Path, config: dict[str, Any], modes: tuple[str]) -> None:
    write_modules(tmp_path, config)
    assert read_head(tmp_path).modes == modes


def test_several_modes_are_joined(tmp_path: Path) -> None:
    write_modules(tmp_path, {"pooling_mode": ["cls", "mean"]})
    found = read_head(tmp_path)(STATES, LENGTHS)
    assert found.shape == (3, 8)
    np.testing.assert_array_equal(found[:, :4], STATES[:, 0])


def test_without_modules_it_is_mean_pooling(tmp_path: Path) -> None:
    head = read_head(tmp_path)
    assert (head.modes, head.after, head.encoder) == (("mean",), (), tmp_path)
    assert head.prompts == Prompts()


def test_normalize(tmp_path: Path) -> None:
    write_modules(tmp_path, {}, "Normalize")
    states = STATES.copy()
    states[1] = 0
    found = read_head(tmp_path)(states, LENGTHS)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 0, 1], atol=1e-6)


def write_dense(folder: Path, **config: Any) -> tuple[Any, Any]:
    write_modules(folder, {}, "Dense")
    random = np.random.default_rng(5)
    weight = random.normal(0, 1, (3, HIDDEN)).astype(np.float32)
    bias = random.normal(0, 1, 3).astype(np.float32)
    (folder / "2_Dense" / "config.json").write_text(
        json.dumps({"in_features": HIDDEN, "out_features": 3, "bias": True} | config)
    )
    save_file(
        {"linear.weight": weight, "linear.bias": bias}, folder / "2_Dense" / "model.safetensors"
    )
    return weight, bias


@pytest.mark.parametrize("activation", ["Tanh", "Identity", "ReLU"])
@pytest.mark.parametrize("bias", [True, False])
def test_dense(tmp_path: Path, activation: str, bias: bool) -> None:
    name = f"torch.nn.modules.activation.{activation}"
    weight, offset = write_dense(tmp_path, activation_function=name, bias=bias)
    (dense,) = read_head(tmp_path).after
    expected = np.einsum("oi,ni->no", weight, VECTORS) + (offset if bias else 0)
    if activation == "Tanh":
        expected = np.tanh(expected)
    if activation == "ReLU":
        expected = np.clip(expected, 0, None)
    np.testing.assert_allclose(dense(VECTORS), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"activation_function": "torch.nn.modules.activation.GELU"}, "GELU"),
        ({"use_residual": True}, "Dense"),
        ({"module_input_name": "token_embeddings"}, "Dense"),
    ],
)
def test_refuses_other_forms_of_dense(tmp_path: Path, config: dict[str, Any], named: str) -> None:
    write_dense(tmp_path, **config)
    with pytest.raises(Unavailable, match=named):
        read_head(tmp_path)


def test_refuses_dense_without_safetensors(tmp_path: Path) -> None:
    write_dense(tmp_path)
    (tmp_path / "2_Dense" / "model.safetensors").rename(tmp_path / "2_Dense" / "model.bin")
    with pytest.raises(EngineFailed, match="2_Dense"):
        read_head(tmp_path)


@pytest.mark.parametrize("kind", ["LSTM", "WeightedLayerPooling", "Transformer"])
def test_names_an_unknown_module(tmp_path: Path, kind: str) -> None:
    write_modules(tmp_path, {}, "Normalize", kind)
    with pytest.raises(Unavailable, match=kind):
        read_head(tmp_path)


def test_names_an_unknown_mode(tmp_path: Path) -> None:
    write_modules(tmp_path, {"pooling_mode": "median"})
    with pytest.raises(Unavailable, match="median"):
        read_head(tmp_path)


def test_refuses_a_model_without_an_encoder(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(
        json.dumps([{"idx": 0, "name": "0", "path": "", "type": "x.StaticEmbedding"}])
    )
    with pytest.raises(Unavailable, match="StaticEmbedding"):
        read_head(tmp_path)


def test_the_default_prompt(tmp_path: Path) -> None:
    write_modules(tmp_path, {})
    settings: dict[str, Any] = {"prompts": {"query": "query: ", "document": ""}}
    file = tmp_path / "config_sentence_transformers.json"
    file.write_text(json.dumps(settings))
    assert read_head(tmp_path).prompts.of(None) == ""
    file.write_text(json.dumps(settings | {"default_prompt_name": "query"}))
    assert read_head(tmp_path).prompts.of(None) == "query: "
    write_modules(tmp_path, {"include_prompt": False})
    with pytest.raises(Unavailable, match="prompt"):
        read_head(tmp_path)


@pytest.mark.parametrize("content", ["{", "[1]", '[{"idx": 0}]', '{"a": 1}', "7"])
def test_broken_modules(tmp_path: Path, content: str) -> None:
    (tmp_path / "modules.json").write_text(content)
    with pytest.raises(EngineFailed, match=r"modules\.json"):
        read_head(tmp_path)
