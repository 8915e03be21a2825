"""A tiny text model of random weights as a GGUF file, whose tokens are bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

TEMPLATE = "{% for message in messages %}[{{ message.content }}]{% endfor %}>"
WIDTH, INNER, HEADS, CONTEXT = 32, 48, 2, 8192
MARKS = ("<unk>", "<s>", "</s>")
TOKENS = [*MARKS, *(f"<0x{number:02X}>" for number in range(256))]


def write(path: Path) -> Path:
    """A llama of one layer."""
    random = np.random.default_rng(5)
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_block_count(1)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_chat_template(TEMPLATE)
    _add_vocabulary(writer)
    shapes = {
        "token_embd": (len(TOKENS), WIDTH),
        **{f"blk.0.{name}": (WIDTH,) for name in ("attn_norm", "ffn_norm")},
        **{f"blk.0.attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{name}": (INNER, WIDTH) for name in ("gate", "up")},
        "blk.0.ffn_down": (WIDTH, INNER),
        "output_norm": (WIDTH,),
    }
    for name, shape in shapes.items():
        centre, spread = (1, 0.1) if len(shape) == 1 else (0, 0.4)
        weights = random.normal(centre, spread, shape).astype(np.float32)
        writer.add_tensor(f"{name}.weight", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_vocabulary(writer: GGUFWriter) -> None:
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0] * len(TOKENS))
    types = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL]
    writer.add_token_types([*types, *[TokenType.BYTE] * 256])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_space_prefix(False)
