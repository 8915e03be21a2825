"""The weights in a folder of safetensors, in place of those decoded from a GGUF file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from openedai.training.adapters import MODULES
from openedai.training.worker.weights import Weights

_BLOCK = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")
_OUTSIDE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_PARTS = {
    **MODULES,
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
_FLOATS = ("F32", "F16", "BF16")


class SourceWeights(Weights):
    """Names, layouts and metadata are those of the GGUF file, so that an adapter trained on these
    weights fits that file. Only the frequencies of RoPE are read from it.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        """Raises ValueError for weights that do not fit those of the file, and OSError."""
        super().__init__(path)
        self._files = _files(folder)
        for name in self._tensors:
            self._check(name)

    def read(self, name: str) -> torch.Tensor:
        key = self._key(name)
        if key is None:
            return super().read(name)
        rows = self._files[key].get_tensor(key).float()
        found = _BLOCK.fullmatch(name)
        turned = {"attn_q": self.shape.heads, "attn_k": self.shape.kv_heads}
        if found is None or found[2] not in turned or not self.shape.neighbours:
            return rows
        return _neighbours(rows, turned[found[2]])

    def _key(self, name: str) -> str | None:
        """The name in the folder; None for tensors that only the file has. Raises ValueError."""
        found = _BLOCK.fullmatch(name)
        if found is None and name not in _OUTSIDE:
            return None
        key = _OUTSIDE[name] if found is None else _inner(*found.groups())
        if key not in self._files and name == "output.weight":
            key = _OUTSIDE["token_embd.weight"]
        if key not in self._files:
            raise ValueError(f"its training_source has no tensor {key}")
        return key

    def _check(self, name: str) -> None:
        key = self._key(name)
        if key is None:
            return
        part = self._files[key].get_slice(key)
        if part.get_dtype() not in _FLOATS:
            raise ValueError(f"the tensor {key} of its training_source is quantised")
        theirs, ours = [*part.get_shape()], [*self._tensors[name].shape[::-1]]
        if theirs != ours:
            raise ValueError(
                f"the tensor {key} of its training_source has the shape {theirs}, and that of the "
                f"weights which are served {ours}"
            )


def _files(folder: Path) -> dict[str, Any]:
    """The open file of each tensor. Raises ValueError."""
    from safetensors import SafetensorError, safe_open

    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            file: Any = safe_open(path, "pt")
            found.update(dict.fromkeys(file.keys(), file))
        except SafetensorError as error:
            raise ValueError(f"the file {path.name} of its training_source: {error}") from error
    if not found:
        raise ValueError("its training_source has no weights in safetensors")
    return found


def _inner(block: str, part: str, kind: str) -> str:
    return f"model.layers.{block}.{_PARTS[part]}.{kind}"


def _neighbours(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Converts rows of heads whose RoPE rotates halves to rows of heads whose RoPE rotates
    neighbours.
    """
    half = len(rows) // heads // 2
    return rows.reshape(heads, 2, half, -1).transpose(1, 2).reshape(rows.shape)
