"""Small GGUF files, written and read by the `gguf` package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize

Weights = npt.NDArray[np.float32]
TEMPLATE = "{% for message in messages %}<|im_start|>{{ message.content }} é\n{% endfor %}"
Q4_1_TYPE = 3  # of `general.file_type`

# Names, (rows, weights of a row) and types, as in a small model with tied embeddings.
LAYER: Mapping[str, tuple[tuple[int, int], str]] = {
    "token_embd.weight": ((64, 96), "Q8_0"),
    "output_norm.weight": ((1, 96), "F32"),
    "blk.0.ffn_gate.weight": ((128, 96), "Q4_1"),
    "blk.0.ffn_up.weight": ((128, 96), "Q4_1"),
    "blk.0.ffn_down.weight": ((40, 512), "Q4_1"),
    "blk.0.attn_v.weight": ((32, 96), "Q5_0"),
}


@dataclass(frozen=True)
class Content:
    """Metadata by key, and each tensor's type and weights by name."""

    fields: dict[str, object]
    types: dict[str, str]
    weights: dict[str, Weights]


def write(
    path: Path,
    tensors: Mapping[str, tuple[tuple[int, int], str]] = LAYER,
    *,
    alignment: int | None = None,
    parts: int = 1,
) -> Path:
    """A file of tensors with normally distributed weights."""
    random = np.random.default_rng(1)
    writer = GGUFWriter(path, "llama")
    if alignment:
        writer.add_custom_alignment(alignment)
    if parts > 1:
        writer.add_uint16("split.count", parts)
    writer.add_name("tiny")
    writer.add_chat_template(TEMPLATE)
    writer.add_token_list([f"token {number}" for number in range(300)])
    writer.add_token_scores([0.5] * 300)
    writer.add_file_type(Q4_1_TYPE)
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    for name, (shape, type_name) in tensors.items():
        weights = random.normal(0, 0.05, shape).astype(np.float32)
        type = GGMLQuantizationType[type_name]
        writer.add_tensor(name, quantize(weights, type), raw_dtype=type)
    _finish(writer)
    return path


def write_metadata(path: Path, add_pairs: Callable[[GGUFWriter], None]) -> Path:
    """A file without tensors, with the metadata that `add_pairs` adds."""
    writer = GGUFWriter(path, "llama")
    add_pairs(writer)
    _finish(writer)
    return path


def _finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read(path: Path) -> Content:
    reader = GGUFReader(path)
    return Content(
        {name: field.contents() for name, field in reader.fields.items()},
        {tensor.name: tensor.tensor_type.name for tensor in reader.tensors},
        {
            tensor.name: dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            for tensor in reader.tensors
        },
    )
