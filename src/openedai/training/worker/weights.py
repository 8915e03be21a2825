"""The weights of a model as tensors of torch, from the GGUF file that is served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from openedai.gguf.blocks import decode
from openedai.gguf.header import Tensor, read_header

ARCHITECTURES = ("llama", "qwen2", "qwen3")


@dataclass(frozen=True)
class Shape:
    """What the metadata of a model says about its layers.

    `neighbours` is whether RoPE rotates neighbouring numbers, not those of two halves.
    """

    architecture: str
    blocks: int
    heads: int
    kv_heads: int
    head_size: int
    epsilon: float
    rope_base: float
    neighbours: bool


class Weights:
    """The tensors of a GGUF file, decoded when they are read. Names are those of the file."""

    def __init__(self, path: Path) -> None:
        """Raises ValueError for a file whose model cannot be trained, and OSError."""
        header = read_header(path)
        if header.metadata.file_count > 1:
            raise ValueError("its weights are split into several files")
        self._data = np.memmap(path, np.uint8, "r", header.data_offset)
        self._tensors: Mapping[str, Tensor] = {one.name: one for one in header.tensors}
        integers = {key: one.value for key, one in header.metadata.integers.items()}
        self.shape = _shape(integers, header.metadata.floats, header.metadata.strings)
        unknown = [name for name in self._tensors if not _known(name)]
        if unknown:
            raise ValueError(f"it has a tensor, {unknown[0]}, that is not known here")

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    @property
    def count(self) -> int:
        """The number of all weights."""
        return sum(tensor.weights for tensor in self._tensors.values())

    def read(self, name: str) -> torch.Tensor:
        """A tensor as 32-bit floats, with its rows first. Raises ValueError if it is missing."""
        tensor = self._tensors.get(name)
        if tensor is None:
            raise ValueError(f"it has no tensor {name}")
        blocks = self._data[tensor.offset : tensor.offset + tensor.size]
        rows = decode(blocks.reshape(tensor.rows, -1), tensor.type)
        return torch.from_numpy(np.array(rows).reshape(tensor.shape[::-1]))


_PARTS = {
    *("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "attn_q_norm", "attn_k_norm"),
    *("ffn_norm", "ffn_gate", "ffn_up", "ffn_down"),
}
_OUTSIDE = {"token_embd.weight", "output.weight", "output_norm.weight", "rope_freqs.weight"}


def _known(name: str) -> bool:
    part = name.removeprefix("blk.").partition(".")[2].rpartition(".")[0]
    return name in _OUTSIDE or part in _PARTS


def _shape(
    integers: Mapping[str, int], floats: Mapping[str, float], strings: Mapping[str, str]
) -> Shape:
    """The shape. Raises ValueError for an unknown architecture, or an unknown variant of one."""
    name = strings.get("general.architecture", "")
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ValueError(f"its architecture, {name or 'none'}, is not one of {known}")

    def integer(key: str, default: Any = None) -> int:
        value = integers.get(f"{name}.{key}", default)
        if value is None:
            raise ValueError(f"its metadata have no {name}.{key}")
        return int(value)

    scaling = strings.get(f"{name}.rope.scaling.type", "none")
    if scaling != "none":
        raise ValueError(f"its positions are scaled ({scaling})")
    if integers.get(f"{name}.expert_count"):
        raise ValueError("it is a mixture of experts")
    heads = integer("attention.head_count")
    head_size = integer("attention.key_length", integer("embedding_length") // heads)
    if integer("rope.dimension_count", head_size) != head_size:
        raise ValueError("RoPE turns a part of each head only")
    return Shape(
        architecture=name,
        blocks=integer("block_count"),
        heads=heads,
        kv_heads=integer("attention.head_count_kv", heads),
        head_size=head_size,
        epsilon=floats.get(f"{name}.attention.layer_norm_rms_epsilon", 1e-5),
        rope_base=floats.get(f"{name}.rope.freq_base", 10_000.0),
        neighbours=name == "llama",
    )
