"""LoRA adapters, written by the `gguf` package: of one matrix, which push a model to a token, and
of all matrices.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFWriter
from gguf.quants import dequantize


def write(
    path: Path, base: Path, token: int, strength: float = 50.0, *, tensors: bool = True
) -> Path:
    """An adapter for the model at `base`: the output of the last layer is mostly in the direction
    of the embedding of `token`, or in the opposite one. Without `tensors` it has none.
    """
    weights = {tensor.name: tensor for tensor in GGUFReader(base).tensors}
    embeddings = weights["token_embd.weight"]
    rows = dequantize(embeddings.data, embeddings.tensor_type)
    direction = rows[token] / np.linalg.norm(rows[token])
    last = max(int(name.split(".")[1]) for name in weights if name.startswith("blk."))
    name = f"blk.{last}.ffn_down.weight"
    width = int(weights[name].shape[0])
    random = np.random.default_rng(token)
    writer = GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 1.0)
    if tensors:
        writer.add_tensor(f"{name}.lora_a", random.normal(0, 1, (1, width)).astype(np.float32))
        writer.add_tensor(
            f"{name}.lora_b", (direction * strength).astype(np.float32).reshape(-1, 1)
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_all(path: Path, base: Path) -> Path:
    """A random adapter for every matrix of the layers of the model at `base`."""
    random = np.random.default_rng(0)
    writer = GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 16.0)
    for tensor in GGUFReader(base).tensors:
        if tensor.name.startswith("blk.") and len(tensor.shape) == 2:
            columns, rows = (int(size) for size in tensor.shape)
            for part, shape in (("a", (8, columns)), ("b", (rows, 8))):
                weights = random.normal(0, 0.05, shape).astype(np.float32)
                writer.add_tensor(f"{tensor.name}.lora_{part}", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
