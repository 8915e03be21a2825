"""A projector like LLaVA's, tiny and with random weights: its output is noise, but different noise
for each image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFWriter

IMAGE_TOKENS = 16
_SIDE, _PATCH = 56, 14  # pixels
_WIDTH, _INNER, _HEADS, _LAYERS = 32, 48, 2, 2


def write(path: Path, model_width: int = 576) -> Path:
    """For a model whose embeddings have this width; the default is SmolLM2-135M's."""
    random = np.random.default_rng(3)
    writer = GGUFWriter(path, "clip")
    _describe(writer, model_width)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, random.normal(0, 0.3, shape).astype(np.float32))

    add("v.patch_embd.weight", _WIDTH, 3, _PATCH, _PATCH)
    add("v.position_embd.weight", IMAGE_TOKENS, _WIDTH)
    for layer in range(_LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            add(f"v.blk.{layer}.{name}.weight", _WIDTH, _WIDTH)
        for name in ("ln1", "ln2"):
            add(f"v.blk.{layer}.{name}.weight", _WIDTH)
            add(f"v.blk.{layer}.{name}.bias", _WIDTH)
        add(f"v.blk.{layer}.ffn_up.weight", _INNER, _WIDTH)
        add(f"v.blk.{layer}.ffn_down.weight", _WIDTH, _INNER)
    for name, rows in (("mm.0", _WIDTH), ("mm.2", model_width)):
        add(f"{name}.weight", rows, _WIDTH)
        add(f"{name}.bias", rows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: GGUFWriter, model_width: int) -> None:
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    sizes = {
        "image_size": _SIDE,
        "patch_size": _PATCH,
        "embedding_length": _WIDTH,
        "feed_forward_length": _INNER,
        "block_count": _LAYERS,
        "projection_dim": model_width,
        "attention.head_count": _HEADS,
    }
    for name, value in sizes.items():
        writer.add_uint32(f"clip.vision.{name}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    for name in ("image_mean", "image_std"):
        writer.add_array(f"clip.vision.{name}", [0.5] * 3)
