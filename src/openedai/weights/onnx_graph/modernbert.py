"""ModernBERT's encoder: rotary positions, gated layers, and attention within a window in most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openedai.weights.onnx_graph.files import (
    Tensor,
    check_heads,
    prefix_of,
    unsupported,
    usable,
)
from openedai.weights.onnx_graph.graph import Graph

MODEL_TYPE = "modernbert"
_FULL, _SLIDING = "full_attention", "sliding_attention"
_THETAS = {_FULL: ("global_rope_theta", 160_000.0), _SLIDING: ("local_rope_theta", 10_000.0)}
# Added to the scores of keys outside of the window: far below any score, and finite.
_OUTSIDE = -1e30


@dataclass(frozen=True)
class Shape:
    """The values of `config.json`. `thetas` are the bases of the rotations, by type of layer."""

    hidden: int
    inner: int
    heads: int
    vocabulary: int
    window: int
    epsilon: float
    activation: str
    norm_bias: bool
    attention_bias: bool
    inner_bias: bool
    layers: tuple[str, ...]
    thetas: Mapping[str, float]


class ModernBertEncoder:
    """Adds the encoder to a graph. Methods take and return names of values."""

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Raises Unavailable and EngineFailed."""
        self.shape = shape = usable(config, _read_shape)
        check_heads(len(shape.layers), shape.heads, shape.hidden)
        self.prefix = prefix_of(tensors, "embeddings.tok_embeddings.weight")
        self.graph = Graph(tensors, shape.hidden)

    def states(self) -> str:
        """The last hidden states."""
        graph, shape = self.graph, self.shape
        words = graph.weight(
            f"{self.prefix}embeddings.tok_embeddings.weight", shape.vocabulary, shape.hidden
        )
        state = graph.flat(graph.node("Gather", [words, "input_ids"]))
        state = self._norm(state, "embeddings.norm")
        mask = graph.mask()
        used = sorted(set(shape.layers))
        rotations = {kind: self._rotation(shape.thetas[kind]) for kind in used}
        biases = {_FULL: "", _SLIDING: self._window() if _SLIDING in used else ""}
        for index, kind in enumerate(shape.layers):
            state = self._layer(index, state, mask, rotations[kind], biases[kind])
        return self._norm(state, "final_norm")

    def _layer(
        self, index: int, state: str, mask: str, rotation: tuple[str, str, str], bias: str
    ) -> str:
        graph, shape, at = self.graph, self.shape, f"layers.{index}"
        normed = self._norm(state, f"{at}.attn_norm") if index else state
        has_bias = shape.attention_bias
        joined = self._linear(
            normed, f"{at}.attn.Wqkv", shape.hidden, 3 * shape.hidden, bias=has_bias
        )
        parts = [graph.batched(part) for part in graph.split(joined, 3)]
        query, key = (self._rotated(part, rotation) for part in parts[:2])
        mixed = graph.attention([query, key, parts[2]], mask, bias, shape.heads)
        mixed = self._linear(mixed, f"{at}.attn.Wo", shape.hidden, shape.hidden, bias=has_bias)
        state = graph.node("Add", [state, mixed])
        normed = self._norm(state, f"{at}.mlp_norm")
        has_bias = shape.inner_bias
        both = self._linear(normed, f"{at}.mlp.Wi", shape.hidden, 2 * shape.inner, bias=has_bias)
        inner, gate = graph.split(both, 2)
        inner = graph.node("Mul", [graph.activation(inner, shape.activation), gate])
        inner = self._linear(inner, f"{at}.mlp.Wo", shape.inner, shape.hidden, bias=has_bias)
        return graph.node("Add", [state, inner])

    def _rotation(self, theta: float) -> tuple[str, str, str]:
        """The positions in the sequence, [1, sequence], and the cosines and sines of their angles,
        each [sequence, width of a head / 2].
        """
        from onnx import TensorProto

        graph, width = self.graph, self.shape.hidden // self.shape.heads
        places = graph.places()
        rows = graph.node("Cast", [places], to=TensorProto.FLOAT)
        rows = graph.node("Unsqueeze", [rows, graph.constant([1])])
        speeds = graph.floats(*(theta ** (-even / width) for even in range(0, width, 2)))
        angles = graph.node("Mul", [rows, speeds])
        every = graph.node("Expand", [places, graph.node("Shape", ["input_ids"])])
        return every, graph.node("Cos", [angles]), graph.node("Sin", [angles])

    def _rotated(self, state: str, rotation: tuple[str, str, str]) -> str:
        return self.graph.node("RotaryEmbedding", [state, *rotation], domain="com.microsoft")

    def _window(self) -> str:
        """A bias that hides keys outside of the window: [1, 1, sequence, sequence]."""
        graph = self.graph
        distance = graph.node("Abs", [graph.distances()])
        outside = graph.node("Greater", [distance, graph.constant(self.shape.window)])
        bias = graph.node("Where", [outside, graph.floats(_OUTSIDE), graph.floats(0.0)])
        return graph.node("Unsqueeze", [bias, graph.constant([0, 1])])

    def _linear(self, state: str, name: str, inputs: int, outputs: int, *, bias: bool) -> str:
        return self.graph.linear(state, self.prefix + name, inputs, outputs, bias=bias)

    def _norm(self, state: str, name: str) -> str:
        shape = self.shape
        return self.graph.norm(state, self.prefix + name, shape.epsilon, bias=shape.norm_bias)


def _read_shape(config: Mapping[str, Any]) -> Shape:
    count = int(config["num_hidden_layers"])
    every = int(config.get("global_attn_every_n_layers", 3))
    layers = config.get("layer_types") or [
        _SLIDING if index % every else _FULL for index in range(count)
    ]
    if len(layers) != count or not set(layers) <= _THETAS.keys():
        raise unsupported(f"layers of the types {', '.join(map(str, sorted(set(layers))))}")
    return Shape(
        hidden=int(config["hidden_size"]),
        inner=int(config["intermediate_size"]),
        heads=int(config["num_attention_heads"]),
        vocabulary=int(config["vocab_size"]),
        window=int(config.get("local_attention", 128)) // 2,
        epsilon=float(config.get("norm_eps", 1e-5)),
        activation=str(config.get("hidden_activation", "gelu")),
        norm_bias=bool(config.get("norm_bias", False)),
        attention_bias=bool(config.get("attention_bias", False)),
        inner_bias=bool(config.get("mlp_bias", False)),
        layers=tuple(layers),
        thetas={kind: _theta(config, kind) for kind in _THETAS},
    )


def _theta(config: Mapping[str, Any], kind: str) -> float:
    """The base of the rotations of a type of layer, from the newer or the older key of the
    config.
    """
    name, default = _THETAS[kind]
    newer = (config.get("rope_parameters") or {}).get(kind) or {}
    scaling = config.get("rope_scaling") or {}
    form = newer.get("rope_type") or scaling.get("rope_type") or "default"
    if form != "default":
        raise unsupported(f"rotary positions of the type `{form}`")
    return float(newer.get("rope_theta") or config.get(name) or default)
