"""A BERT of sentence-transformers as a GGUF file, as llama.cpp's own converter makes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType
from safetensors.numpy import load_file

from tests.gguf.tiny_reranker import finish, renamed

_CONTINUES, _SPACE = "##", "▁"


def convert(folder: Path, path: Path, *, pooling: int) -> Path:
    """Write the model in a folder to a file. Returns the path of the file."""
    config = json.loads((folder / "config.json").read_text())
    writer = GGUFWriter(path, "bert")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_uint32("bert.pooling_type", pooling)
    _add_vocabulary(writer, (folder / "vocab.txt").read_text().splitlines())
    for name, weights in load_file(folder / "model.safetensors").items():
        stem, _, part = name.rpartition(".")
        if not stem.startswith("pooler") and "position_ids" not in name:
            writer.add_tensor(f"{renamed(f'bert.{stem}')}.{part}", weights.astype(np.float32))
    finish(writer)
    return path


def _add_vocabulary(writer: GGUFWriter, words: list[str]) -> None:
    marks = {word for word in words if word.startswith("[") and word.endswith("]") and word[1:-1]}
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list([word if word in marks else _phantom(word) for word in words])
    writer.add_token_scores([0.0] * len(words))
    writer.add_token_types(
        [TokenType.CONTROL if word in marks else TokenType.NORMAL for word in words]
    )
    writer.add_token_type_count(2)
    writer.add_bos_token_id(words.index("[CLS]"))
    writer.add_eos_token_id(words.index("[SEP]"))
    writer.add_sep_token_id(words.index("[SEP]"))
    writer.add_unk_token_id(words.index("[UNK]"))
    writer.add_pad_token_id(words.index("[PAD]"))


def _phantom(word: str) -> str:
    """A word begins with the sign of a space; a part of one that goes on has none."""
    return word.removeprefix(_CONTINUES) if word.startswith(_CONTINUES) else _SPACE + word
