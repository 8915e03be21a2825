"""Tiny encoders of random weights as sentence-transformers folders, and what they compute.

The forward pass here is written from the papers' formulas, in numpy, and shares nothing with
the graph that it checks.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tests.weights.onnx_graph import tiny_modernbert

Array = NDArray[Any]

HIDDEN, INNER, HEADS, LAYERS, POSITIONS = 16, 24, 2, 2, 48
WORDS = [f"w{number}" for number in range(50)]
VOCABULARY = ["<pad>", "<s>", "</s>", "<unk>", *WORDS]
PAD, START, END, UNKNOWN = range(4)
LIMIT = 12

KINDS = ("bert", "mpnet", "roberta", "distilbert")
ATTENTION = {
    "bert": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "mpnet": ("attention.attn.q", "attention.attn.k", "attention.attn.v"),
    "distilbert": ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
}
REST = {
    "bert": ("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense"),
    "mpnet": ("attention.attn.o", "attention.LayerNorm", "intermediate.dense"),
    "distilbert": ("attention.out_lin", "sa_layer_norm", "ffn.lin1"),
}
LAST = {
    "bert": ("output.dense", "output.LayerNorm"),
    "mpnet": ("output.dense", "output.LayerNorm"),
    "distilbert": ("ffn.lin2", "output_layer_norm"),
}


def names(kind: str) -> tuple[str, ...]:
    """Of a layer's modules: query, key, value, output, norm, up, down, norm."""
    family = "bert" if kind == "roberta" else kind
    return ATTENTION[family] + REST[family] + LAST[family]


def write_encoder(folder: Path, kind: str, *, prefix: str = "", dtype: str = "float32") -> Path:
    """config.json and model.safetensors in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "model_type": kind,
        "vocab_size": len(VOCABULARY),
        "max_position_embeddings": POSITIONS,
        "pad_token_id": PAD,
    }
    if kind == "modernbert":
        config = tiny_modernbert.config(len(VOCABULARY), HIDDEN, INNER, POSITIONS, PAD)
    elif kind == "distilbert":
        config |= {"dim": HIDDEN, "hidden_dim": INNER, "n_heads": HEADS, "n_layers": LAYERS}
    else:
        config |= {
            "hidden_size": HIDDEN,
            "intermediate_size": INNER,
            "num_attention_heads": HEADS,
            "num_hidden_layers": LAYERS,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
        }
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {prefix + name: array.astype(dtype) for name, array in _tensors(kind).items()}
    save_file(tensors, folder / "model.safetensors")
    return folder


def _tensors(kind: str) -> dict[str, Array]:
    if kind == "modernbert":
        return tiny_modernbert.tensors(len(VOCABULARY), HIDDEN, INNER)
    random = np.random.default_rng(7)
    tensors: dict[str, Array] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        tensors[f"{name}.weight"] = random.normal(0, 0.3, (outputs, inputs))
        tensors[f"{name}.bias"] = random.normal(0, 0.3, outputs)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = random.normal(1, 0.2, HIDDEN)
        tensors[f"{name}.bias"] = random.normal(0, 0.2, HIDDEN)

    def table(name: str, rows: int, width: int = HIDDEN) -> None:
        tensors[f"{name}.weight"] = random.normal(0, 1, (rows, width))

    table("embeddings.word_embeddings", len(VOCABULARY))
    table("embeddings.position_embeddings", POSITIONS)
    if kind in ("bert", "roberta"):
        table("embeddings.token_type_embeddings", 2)
    norm("embeddings.LayerNorm")
    if kind == "mpnet":
        table("encoder.relative_attention_bias", 32, HEADS)
    stem = "transformer" if kind == "distilbert" else "encoder"
    query, key, value, output, norm_1, up, down, norm_2 = names(kind)
    for index in range(LAYERS):
        at = f"{stem}.layer.{index}"
        for part in (query, key, value, output):
            linear(f"{at}.{part}", HIDDEN, HIDDEN)
        norm(f"{at}.{norm_1}")
        linear(f"{at}.{up}", INNER, HIDDEN)
        linear(f"{at}.{down}", HIDDEN, INNER)
        norm(f"{at}.{norm_2}")
    return tensors


def write_model(folder: Path, kind: str = "bert", **settings: Any) -> Path:
    """A whole folder but for the graph; `settings` go into sentence_bert_config.json."""
    write_encoder(folder, kind)
    ids = {word: number for number, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens(VOCABULARY[:3])
    tokenizer.post_processor = processors.BertProcessing(("</s>", END), ("<s>", START))
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(
        json.dumps(names | {"tokenizer_class": "PreTrainedTokenizerFast"})
    )
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": LIMIT, "do_lower_case": False} | settings)
    )
    write_modules(folder, {"pooling_mode_mean_tokens": True}, "Normalize")
    return folder


def write_modules(folder: Path, pooling: dict[str, Any], *more: str) -> None:
    """modules.json with the encoder, the pooling, and `more` kinds of modules after them."""
    kinds = ["Transformer", "Pooling", *more]
    paths = ["", *(f"{index}_{kind}" for index, kind in enumerate(kinds) if index)]
    entries = [
        {
            "idx": index,
            "name": str(index),
            "path": path,
            "type": f"sentence_transformers.models.{kind}",
        }
        for index, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(entries))
    for path in paths[1:]:
        (folder / path).mkdir(exist_ok=True)
    config = {"word_embedding_dimension": HIDDEN} | pooling
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))


def hidden_states(folder: Path, ids: Array, mask: Array, *, types: Array | None = None) -> Array:
    """The encoder's last hidden states, [batch, sequence, hidden], in float64."""
    config = json.loads((folder / "config.json").read_text())
    kind = config["model_type"]
    epsilon = config.get("layer_norm_eps", 1e-12)
    loaded = load_file(folder / "model.safetensors")
    word = "embeddings.tok_" if kind == "modernbert" else "embeddings.word_"
    (prefix,) = (name.partition(word)[0] for name in loaded if word in name)
    tensors = {name.removeprefix(prefix): one.astype(np.float64) for name, one in loaded.items()}
    if kind == "modernbert":
        return tiny_modernbert.states(tensors, ids, mask)

    def linear(state: Array, name: str) -> Array:
        return np.asarray(state @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"])

    def norm(state: Array, name: str) -> Array:
        centred = state - state.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
        return np.asarray(scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"])

    state = tensors["embeddings.word_embeddings.weight"][ids]
    state = state + tensors["embeddings.position_embeddings.weight"][_positions(kind, ids)]
    if kind in ("bert", "roberta"):
        table = tensors["embeddings.token_type_embeddings.weight"]
        state = state + table[np.zeros_like(ids) if types is None else types]
    state = norm(state, "embeddings.LayerNorm")
    bias: Array = np.where(mask[:, None, None, :] == 1, 0.0, -np.inf)
    if kind == "mpnet":
        bias = bias + _relative_bias(tensors["encoder.relative_attention_bias.weight"], ids)
    stem = "transformer" if kind == "distilbert" else "encoder"
    for index in range(LAYERS):
        at = f"{stem}.layer.{index}."
        query, key, value, output, norm_1, up, down, norm_2 = (at + name for name in names(kind))
        q, k, v = (_by_head(linear(state, name)) for name in (query, key, value))
        scores = q @ k.swapaxes(-1, -2) / math.sqrt(HIDDEN // HEADS) + bias
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (weights / weights.sum(-1, keepdims=True)) @ v
        state = norm(state + linear(mixed.swapaxes(1, 2).reshape(state.shape), output), norm_1)
        inner = linear(state, up)
        erf = np.vectorize(math.erf)
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        state = norm(state + linear(inner, down), norm_2)
    return state


def _by_head(state: Array) -> Array:
    return state.reshape(*state.shape[:2], HEADS, HIDDEN // HEADS).swapaxes(1, 2)


def _positions(kind: str, ids: Array) -> Array:
    if kind in ("bert", "distilbert"):
        return np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    real = ids != PAD
    return np.asarray(np.where(real, np.cumsum(real, axis=1) + PAD, PAD))


def _relative_bias(table: Array, ids: Array) -> Array:
    places = np.arange(ids.shape[1])
    buckets = relative_buckets(places[None, :] - places[:, None])
    return np.asarray(table[buckets].transpose(2, 0, 1)[None])


def relative_buckets(distance: Array) -> Array:
    """T5's buckets for both directions: 32 of them, up to a distance of 128, in float32."""
    steps = np.abs(distance)
    growth = np.log(np.maximum(steps, 1).astype(np.float32) / 8) / np.float32(math.log(16)) * 8
    large = np.minimum(8 + growth.astype(np.int64), 15)
    return np.asarray(np.where(distance > 0, 16, 0) + np.where(steps < 8, steps, large))
