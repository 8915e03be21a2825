"""Writes the `model.onnx` of a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openedai.weights.onnx_graph import bert, modernbert
from openedai.weights.onnx_graph.classifier import add_classifier
from openedai.weights.onnx_graph.files import read_config, read_tensors, unsupported
from openedai.weights.onnx_graph.graph import AXES

GRAPH = "model.onnx"


def write_graph(folder: Path) -> Path:
    """Write `folder`/model.onnx and return its path; the file appears whole or not at all.

    The graph takes `input_ids` and `attention_mask` (int64, [batch, sequence]) and gives
    `last_hidden_state` (float32, [batch, sequence, hidden]). It runs on ONNX Runtime only, and
    needs `model.safetensors` in the same folder, as a file or a hard link: ONNX Runtime follows no
    symbolic link out of the folder.

    Raises Unavailable for an unsupported architecture, EngineFailed for files that are missing,
    broken or do not fit together.
    """
    encoder = _encoder(folder, read_config(folder), typed=False)
    output = encoder.graph.batched(encoder.states(), "last_hidden_state")
    return _write(folder, encoder.graph.model(output, [*AXES, encoder.graph.hidden]))


def write_classifier(folder: Path) -> Path:
    """The same for a sequence classifier: the graph gives `logits` (float32, [batch, labels]).

    It takes `token_type_ids` too where the model tells two texts apart by them.
    """
    config = read_config(folder)
    encoder = _encoder(folder, config, typed=True)
    graph = encoder.graph
    found, labels = add_classifier(graph, encoder.prefix, encoder.states(), config)
    output = graph.node("Identity", [found], "logits")
    return _write(folder, graph.model(output, [AXES[0], labels]))


def _encoder(
    folder: Path, config: Mapping[str, Any], *, typed: bool
) -> bert.BertEncoder | modernbert.ModernBertEncoder:
    model_type = config.get("model_type")
    if model_type == modernbert.MODEL_TYPE:
        return modernbert.ModernBertEncoder(config, read_tensors(folder))
    if model_type not in bert.NAMES:
        raise unsupported(f"models of type `{model_type}`")
    return bert.BertEncoder(config, read_tensors(folder), typed=typed)


def _write(folder: Path, model: Any) -> Path:
    target = folder / GRAPH
    partial = folder / f".{GRAPH}.{os.getpid()}.partial"
    try:
        partial.write_bytes(model.SerializeToString())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target
