"""What sequence classifiers compute from the states of their encoder, by type of model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openedai.errors import EngineFailed
from openedai.weights.onnx_graph.files import WEIGHTS, unsupported
from openedai.weights.onnx_graph.graph import MASK, Graph


def add_classifier(
    graph: Graph, prefix: str, state: str, config: Mapping[str, Any]
) -> tuple[str, int]:
    """Add the classifier over the states of the encoder, whose tensors have names with `prefix`.

    Returns the logits, [batch, labels], and the number of labels. Raises EngineFailed, and
    Unavailable for a type of model whose classifier is unknown.
    """
    model_type = str(config.get("model_type"))
    if model_type not in _HEADS:
        raise unsupported(f"classifiers of type `{model_type}`")
    return _HEADS[model_type](graph, prefix, state, config)


def _bert(graph: Graph, prefix: str, state: str, config: Mapping[str, Any]) -> tuple[str, int]:
    pooled = _dense(graph, graph.first(state), f"{prefix}pooler.dense", "tanh")
    return _labels(graph, pooled, "classifier")


def _roberta(graph: Graph, prefix: str, state: str, config: Mapping[str, Any]) -> tuple[str, int]:
    pooled = _dense(graph, graph.first(state), "classifier.dense", "tanh")
    return _labels(graph, pooled, "classifier.out_proj")


def _distilbert(
    graph: Graph, prefix: str, state: str, config: Mapping[str, Any]
) -> tuple[str, int]:
    pooled = _dense(graph, graph.first(state), "pre_classifier", "relu")
    return _labels(graph, pooled, "classifier")


def _modernbert(
    graph: Graph, prefix: str, state: str, config: Mapping[str, Any]
) -> tuple[str, int]:
    pooling = config.get("classifier_pooling", "cls")
    if pooling not in ("cls", "mean"):
        raise unsupported(f"the pooling `{pooling}`")
    pooled = graph.first(state) if pooling == "cls" else _mean(graph, state)
    pooled = graph.linear(
        pooled,
        "head.dense",
        graph.hidden,
        graph.hidden,
        bias=bool(config.get("classifier_bias", False)),
    )
    pooled = graph.activation(pooled, str(config.get("classifier_activation", "gelu")))
    epsilon, bias = float(config.get("norm_eps", 1e-5)), bool(config.get("norm_bias", False))
    pooled = graph.norm(pooled, "head.norm", epsilon, bias=bias)
    return _labels(graph, pooled, "classifier")


def _dense(graph: Graph, state: str, name: str, activation: str) -> str:
    return graph.activation(graph.linear(state, name, graph.hidden, graph.hidden), activation)


def _mean(graph: Graph, state: str) -> str:
    """The mean of the states of each text's tokens: [batch, hidden]."""
    from onnx import TensorProto

    real = graph.node("Cast", [MASK], to=TensorProto.FLOAT)
    rows = graph.node("Unsqueeze", [real, graph.constant([1])])
    summed = graph.node("MatMul", [rows, graph.batched(state)])
    summed = graph.node("Squeeze", [summed, graph.constant([1])])
    count = graph.node("ReduceSum", [real, graph.constant([1])], keepdims=1)
    return graph.node("Div", [summed, count])


def _labels(graph: Graph, pooled: str, name: str) -> tuple[str, int]:
    tensor = graph.tensors.get(f"{name}.weight")
    if tensor is None or len(tensor.shape) != 2:
        raise EngineFailed(f"{WEIGHTS} has no tensor `{name}.weight` of a classifier.")
    return graph.linear(pooled, name, graph.hidden, tensor.shape[0]), tensor.shape[0]


_Head = Callable[[Graph, str, str, Mapping[str, Any]], tuple[str, int]]
_HEADS: Mapping[str, _Head] = {
    "bert": _bert,
    "roberta": _roberta,
    "xlm-roberta": _roberta,
    "camembert": _roberta,
    "mpnet": _roberta,
    "distilbert": _distilbert,
    "modernbert": _modernbert,
}
