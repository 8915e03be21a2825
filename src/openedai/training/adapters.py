"""The files of an adapter: GGUF, as llama.cpp loads it, and safetensors, as PEFT does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from openedai.gguf.header import read_header
from openedai.gguf.write import write_gguf

Matrix = npt.NDArray[np.float32]

_ALPHA = "adapter.lora.alpha"
_ARCHITECTURE = "general.architecture"
_MATRIX = re.compile(r"blk\.(\d+)\.(\w+)\.weight\.lora_([ab])")
# The layers, by their names in safetensors repositories.
MODULES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class AdapterWeights:
    """`matrices` are `blk.N.LAYER.weight.lora_a`, of shape (rank, inputs), and `.lora_b`, of shape
    (outputs, rank). Their product is multiplied by `alpha` / rank.
    """

    architecture: str
    alpha: float
    matrices: Mapping[str, Matrix]

    @property
    def rank(self) -> int:
        return next(len(one) for name, one in self.matrices.items() if name.endswith("lora_a"))


def write_adapter(path: Path, adapter: AdapterWeights, *, name: str) -> None:
    """Write a GGUF file. Raises OSError."""
    metadata: dict[str, str | float] = {
        _ARCHITECTURE: adapter.architecture,
        "general.type": "adapter",
        "general.name": name,
        "adapter.type": "lora",
        _ALPHA: float(adapter.alpha),
    }
    write_gguf(path, metadata, adapter.matrices)


def read_adapter(path: Path) -> AdapterWeights:
    """Read a file that `write_adapter` wrote. Raises ValueError for another one, and OSError."""
    header = read_header(path)
    metadata = header.metadata
    if metadata.strings.get("adapter.type") != "lora" or _ALPHA not in metadata.floats:
        raise ValueError("it is not a LoRA adapter")
    raw = np.fromfile(path, np.uint8)[header.data_offset :]
    matrices = {}
    for tensor in header.tensors:
        data = raw[tensor.offset : tensor.offset + tensor.size]
        if tensor.type.name != "F32" or not _MATRIX.fullmatch(tensor.name):
            raise ValueError(
                f"its tensor {tensor.name} is not one of an adapter that was made here"
            )
        matrices[tensor.name] = data.view(np.float32).reshape(tensor.shape[::-1])
    return AdapterWeights(metadata.strings[_ARCHITECTURE], metadata.floats[_ALPHA], matrices)


def write_peft(
    folder: Path, adapter: AdapterWeights, *, base_model: str, heads: int, kv_heads: int
) -> None:
    """Write the files of PEFT into a folder. `heads` and `kv_heads` are those of the base model.

    Raises OSError.
    """
    from safetensors.numpy import save_file

    turned = {"attn_q": heads, "attn_k": kv_heads} if adapter.architecture == "llama" else {}
    tensors = {}
    for name, matrix in adapter.matrices.items():
        found = _MATRIX.fullmatch(name)
        assert found is not None
        block, layer, part = found.groups()
        rows = _halves(matrix, turned[layer]) if part == "b" and layer in turned else matrix
        key = f"base_model.model.model.layers.{block}.{MODULES[layer]}.lora_{part.upper()}"
        tensors[f"{key}.weight"] = np.ascontiguousarray(rows)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": adapter.rank,
        "lora_alpha": adapter.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": [module.rpartition(".")[2] for module in MODULES.values()],
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def _halves(matrix: Matrix, heads: int) -> Matrix:
    """Converts rows of heads whose RoPE rotates neighbours to rows of heads whose RoPE rotates
    halves.
    """
    rows, columns = matrix.shape
    return (
        matrix.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
    )
