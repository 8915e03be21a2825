"""LoRA adapters of one matrix each, written by the `gguf` package: they push a model to a token."""

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
