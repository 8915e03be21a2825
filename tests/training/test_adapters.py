"""The files of an adapter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from openedai.training.adapters import AdapterWeights, read_adapter, write_adapter, write_peft
from tests.gguf import tiny_gguf

HEADS, KV_HEADS = 4, 2


def adapter(architecture: str = "llama") -> AdapterWeights:
    random = np.random.default_rng(0)
    shapes = {
        "blk.0.attn_q.weight": (32, 32),
        "blk.0.attn_k.weight": (16, 32),
        "blk.1.ffn_down.weight": (32, 64),
    }
    matrices = {}
    for name, (rows, columns) in shapes.items():
        matrices[f"{name}.lora_a"] = random.normal(0, 1, (2, columns)).astype(np.float32)
        matrices[f"{name}.lora_b"] = random.normal(0, 1, (rows, 2)).astype(np.float32)
    return AdapterWeights(architecture, 16.0, matrices)


def test_gguf(tmp_path: Path) -> None:
    written = adapter()
    write_adapter(tmp_path / "a.gguf", written, name="tiny")
    content = tiny_gguf.read(tmp_path / "a.gguf")
    assert content.fields["general.type"] == "adapter"
    assert content.fields["adapter.type"] == "lora"
    assert content.fields["adapter.lora.alpha"] == 16.0
    found = read_adapter(tmp_path / "a.gguf")
    assert (found.architecture, found.alpha, found.rank) == ("llama", 16.0, 2)
    for name, matrix in written.matrices.items():
        assert np.array_equal(content.weights[name], matrix)
        assert np.array_equal(found.matrices[name], matrix)


def test_what_is_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a LoRA adapter"):
        read_adapter(tiny_gguf.write(tmp_path / "m.gguf"))


def rope(x: np.ndarray, *, neighbours: bool) -> np.ndarray:
    """Position 3 of RoPE, on the vectors of heads: of shape (heads, size)."""
    half = x.shape[1] // 2
    angles = 3 * 10_000.0 ** -(np.arange(half) / half)
    u, v = (x[:, 0::2], x[:, 1::2]) if neighbours else (x[:, :half], x[:, half:])
    turned = np.stack(
        (u * np.cos(angles) - v * np.sin(angles), u * np.sin(angles) + v * np.cos(angles))
    )
    return turned.transpose(1, 2, 0).reshape(x.shape) if neighbours else np.hstack([*turned])


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
def test_peft(tmp_path: Path, architecture: str) -> None:
    """Products of queries and keys are the same with either layout."""
    written = adapter(architecture)
    write_peft(tmp_path, written, base_model="tiny", heads=HEADS, kv_heads=KV_HEADS)
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (2, 16.0, "LORA")
    prefix = "base_model.model.model.layers"
    down = tensors[f"{prefix}.1.mlp.down_proj.lora_B.weight"]
    assert np.array_equal(down, written.matrices["blk.1.ffn_down.weight.lora_b"])
    x = np.random.default_rng(1).normal(0, 1, 32)
    for layer, name, heads in (("attn_q", "q_proj", HEADS), ("attn_k", "k_proj", KV_HEADS)):
        ours = written.matrices[f"blk.0.{layer}.weight.lora_b"] @ (
            written.matrices[f"blk.0.{layer}.weight.lora_a"] @ x
        )
        theirs = tensors[f"{prefix}.0.self_attn.{name}.lora_B.weight"] @ (
            tensors[f"{prefix}.0.self_attn.{name}.lora_A.weight"] @ x
        )
        neighbours = architecture == "llama"
        turned = rope(ours.reshape(heads, -1), neighbours=neighbours)
        if neighbours:  # as halves, to compare
            turned = np.hstack((turned[:, 0::2], turned[:, 1::2]))
        assert np.allclose(turned, rope(theirs.reshape(heads, -1), neighbours=False))
