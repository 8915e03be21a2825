"""The tiny classifiers of `tests/weights/onnx_graph/tiny_classifier.py` as GGUF files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType
from safetensors.numpy import load_file

from tests.weights.onnx_graph.tiny_classifier import write_classifier_files
from tests.weights.onnx_graph.tiny_encoder import END, PAD, START, UNKNOWN, VOCABULARY

RANK = 4  # of llama.cpp's types of pooling
_LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_REST = {
    "bert.embeddings.word_embeddings": "token_embd",
    "bert.embeddings.position_embeddings": "position_embd",
    "bert.embeddings.token_type_embeddings": "token_types",
    "bert.embeddings.LayerNorm": "token_embd_norm",
    "bert.pooler.dense": "cls",
    "classifier": "cls.output",
}


def write(
    folder: Path,
    *,
    labels: int = 1,
    head: bool = True,
    template: str = "",
    pooling: int | None = RANK,
) -> Path:
    """A GGUF file of the BERT that `write_classifier_files` writes into the same folder.

    Without `head` it is only an encoder; `template` is that of a pair.
    """
    write_classifier_files(folder, "bert", labels=labels)
    path = folder / "tiny.gguf"
    writer = GGUFWriter(path, "bert")
    _describe(writer, folder)
    if pooling is not None:
        writer.add_uint32("bert.pooling_type", pooling)
    _add_vocabulary(writer)
    if labels > 1:
        writer.add_array("bert.classifier.output_labels", [f"label {n}" for n in range(labels)])
    if template:
        writer.add_string("tokenizer.chat_template.rerank", template)
        writer.add_array("tokenizer.chat_templates", ["rerank"])
    for name, weights in load_file(folder / "model.safetensors").items():
        stem, _, part = name.rpartition(".")
        tensor = renamed(stem)
        if head or not tensor.startswith("cls"):
            writer.add_tensor(f"{tensor}.{part}", weights.astype(np.float32))
    finish(writer)
    return path


def write_decoder(path: Path, *, swapped: bool = False, pooling: int = RANK) -> Path:
    """A Qwen3 of random weights with a classifier for yes and no, perhaps `swapped`."""
    width, inner, heads, head = 32, 48, 2, 16
    random = np.random.default_rng(5)
    writer = GGUFWriter(path, "qwen3")
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_block_count(1)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    writer.add_uint32("qwen3.pooling_type", pooling)
    writer.add_array("qwen3.classifier.output_labels", ["yes", "no"])
    _add_vocabulary(writer)

    def add(name: str, *shape: int) -> None:
        centre, spread = (1, 0.1) if len(shape) == 1 else (0, 0.4)
        weights = random.normal(centre, spread, shape).astype(np.float32)
        if swapped and name == "cls.output":
            weights = weights[::-1].copy()
        writer.add_tensor(f"{name}.weight", weights)

    add("token_embd", len(VOCABULARY), width)
    for name in ("attn_norm", "ffn_norm"):
        add(f"blk.0.{name}", width)
    for name in ("attn_q_norm", "attn_k_norm"):
        add(f"blk.0.{name}", head)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        add(f"blk.0.{name}", width, width)
    for name in ("ffn_gate", "ffn_up"):
        add(f"blk.0.{name}", inner, width)
    add("blk.0.ffn_down", width, inner)
    add("output_norm", width)
    add("cls.output", 2, width)
    finish(writer)
    return path


def finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def renamed(stem: str) -> str:
    if stem in _REST:
        return _REST[stem]
    layer, _, name = stem.removeprefix("bert.encoder.layer.").partition(".")
    return f"blk.{layer}.{_LAYER[name]}"


def _describe(writer: GGUFWriter, folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)


def _add_vocabulary(writer: GGUFWriter) -> None:
    """Words begin with the sign of a space, as in converted WordPiece vocabularies."""
    marks = VOCABULARY[:UNKNOWN]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([word if word in marks else f"▁{word}" for word in VOCABULARY])
    writer.add_token_scores([0.0] * len(VOCABULARY))
    writer.add_token_types(
        [TokenType.CONTROL if word in marks else TokenType.NORMAL for word in VOCABULARY]
    )
    writer.add_token_type_count(2)
    writer.add_bos_token_id(START)
    writer.add_eos_token_id(END)
    writer.add_sep_token_id(END)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_pad_token_id(PAD)
