"""Tiny chat models with random weights, as GGUF files. Each byte of a text is a token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# It marks the last question, as some templates write the tools there.
MARKING = (
    "{% set found = namespace(last=-1) %}{% for message in messages %}"
    "{% if message.role == 'user' %}{% set found.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}"
    "{{ '!' if loop.index0 == found.last else '' }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROL = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
FIRST_BYTE, END = len(CONTROL), CONTROL.index("<|im_end|>")
VOCABULARY = FIRST_BYTE + 256
WIDTH, INNER, HEADS, KV_HEADS, HEAD, BLOCKS = 32, 64, 4, 2, 8, 2


def write(path: Path, architecture: str = "llama", template: str = TEMPLATE) -> Path:
    """A model of one of the architectures that can be trained."""
    random = np.random.default_rng(3)
    writer = GGUFWriter(path, architecture)
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_block_count(BLOCKS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_dimension_count(HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    _add_vocabulary(writer, template)

    def add(name: str, *shape: int, centre: float = 0.0, spread: float = 0.2) -> None:
        writer.add_tensor(name, random.normal(centre, spread, shape).astype(np.float32))

    add("token_embd.weight", VOCABULARY, WIDTH)
    add("output_norm.weight", WIDTH, centre=1, spread=0.1)
    query, key = HEADS * HEAD, KV_HEADS * HEAD
    for block in range(BLOCKS):
        name = f"blk.{block}"
        for part in ("attn_norm", "ffn_norm"):
            add(f"{name}.{part}.weight", WIDTH, centre=1, spread=0.1)
        for part, rows in (("attn_q", query), ("attn_k", key), ("attn_v", key)):
            add(f"{name}.{part}.weight", rows, WIDTH)
            if architecture == "qwen2":
                add(f"{name}.{part}.bias", rows)
        if architecture == "qwen3":
            for part in ("attn_q_norm", "attn_k_norm"):
                add(f"{name}.{part}.weight", HEAD, centre=1, spread=0.1)
        add(f"{name}.attn_output.weight", WIDTH, query)
        add(f"{name}.ffn_gate.weight", INNER, WIDTH)
        add(f"{name}.ffn_up.weight", INNER, WIDTH)
        add(f"{name}.ffn_down.weight", WIDTH, INNER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def ids_of(text: str) -> list[int]:
    """The tokens of a text without marks."""
    return [FIRST_BYTE + byte for byte in text.encode()]


def _add_vocabulary(writer: GGUFWriter, template: str) -> None:
    numbers = range(256)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([*CONTROL, *(f"<0x{number:02X}>" for number in numbers)])
    writer.add_token_scores([0.0] * VOCABULARY)
    writer.add_token_types(
        [TokenType.UNKNOWN]
        + [TokenType.CONTROL] * (len(CONTROL) - 1)
        + [TokenType.BYTE for _ in numbers]
    )
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(template)
