"""Tiny sequence classifiers of random weights, and what they compute, in numpy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, processors

from tests.weights.onnx_graph.tiny_encoder import (
    END,
    HIDDEN,
    START,
    Array,
    hidden_states,
    write_encoder,
    write_model,
)
from tests.weights.onnx_graph.tiny_modernbert import gelu, normed

KINDS = ("bert", "roberta", "mpnet", "distilbert", "modernbert")
PREFIXES = {"roberta": "roberta.", "modernbert": "model."}
NAMES = {
    "bert": ("bert.pooler.dense", "classifier"),
    "distilbert": ("pre_classifier", "classifier"),
    "modernbert": ("head.dense", "classifier"),
}


def names(kind: str) -> tuple[str, str]:
    """Of the two layers of the head."""
    return NAMES.get(kind, ("classifier.dense", "classifier.out_proj"))


def write_classifier_files(folder: Path, kind: str, *, labels: int = 1, **config: Any) -> Path:
    """config.json and model.safetensors in `folder`."""
    write_encoder(folder, kind, prefix=PREFIXES.get(kind, f"{kind}."))
    tensors = load_file(folder / "model.safetensors")
    random = np.random.default_rng(3)
    dense, last = names(kind)
    tensors[f"{dense}.weight"] = random.normal(0, 0.5, (HIDDEN, HIDDEN)).astype(np.float32)
    if kind == "modernbert":
        tensors["head.norm.weight"] = random.normal(1, 0.2, HIDDEN).astype(np.float32)
    else:
        tensors[f"{dense}.bias"] = random.normal(0, 0.3, HIDDEN).astype(np.float32)
    tensors[f"{last}.weight"] = random.normal(0, 1, (labels, HIDDEN)).astype(np.float32)
    tensors[f"{last}.bias"] = random.normal(0, 0.3, labels).astype(np.float32)
    save_file(tensors, folder / "model.safetensors")
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | config))
    return folder


def write_reranker(folder: Path, kind: str = "bert", *, labels: int = 1, **config: Any) -> Path:
    """A whole folder but for the graph. Pairs of texts are `<s> a </s> b </s>`."""
    write_model(folder, kind)
    write_classifier_files(folder, kind, labels=labels, **config)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B:1 </s>:1",
        special_tokens=[("<s>", START), ("</s>", END)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def logits(folder: Path, ids: Array, mask: Array, types: Array | None = None) -> Array:
    """[batch, labels]"""
    config = json.loads((folder / "config.json").read_text())
    kind = config["model_type"]
    tensors = load_file(folder / "model.safetensors")
    states = hidden_states(folder, ids, mask, types=types)
    dense, last = names(kind)
    if config.get("classifier_pooling") == "mean":
        pooled = (states * mask[..., None]).sum(1) / mask.sum(1)[:, None]
    else:
        pooled = states[:, 0]
    pooled = pooled @ tensors[f"{dense}.weight"].T + tensors.get(f"{dense}.bias", 0)
    if kind == "modernbert":
        pooled = normed(gelu(pooled), tensors["head.norm.weight"])
    else:
        pooled = np.maximum(pooled, 0) if kind == "distilbert" else np.tanh(pooled)
    return np.asarray(pooled @ tensors[f"{last}.weight"].T + tensors[f"{last}.bias"])
