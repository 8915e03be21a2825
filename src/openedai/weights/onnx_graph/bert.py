"""The encoders of BERT's family: BERT, RoBERTa, XLM-RoBERTa, CamemBERT, MPNet, DistilBERT."""

from __future__ import annotations

import math
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
from openedai.weights.onnx_graph.graph import ACTIVATIONS, TYPES, Graph

# Names of the tensors inside one layer, by the architecture's family.
BERT_NAMES = {
    "layer": "encoder.layer",
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm": "output.LayerNorm",
}
MPNET_NAMES = BERT_NAMES | {
    "query": "attention.attn.q",
    "key": "attention.attn.k",
    "value": "attention.attn.v",
    "attention_output": "attention.attn.o",
    "attention_norm": "attention.LayerNorm",
}
DISTILBERT_NAMES = {
    "layer": "transformer.layer",
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "attention_output": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "up": "ffn.lin1",
    "down": "ffn.lin2",
    "norm": "output_layer_norm",
}
NAMES = {
    "bert": BERT_NAMES,
    "roberta": BERT_NAMES,
    "xlm-roberta": BERT_NAMES,
    "camembert": BERT_NAMES,
    "mpnet": MPNET_NAMES,
    "distilbert": DISTILBERT_NAMES,
}
# These count positions from the padding id + 1 on, and skip padding.
POSITIONS_AFTER_PADDING = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet"})
_TYPE_TABLE = "embeddings.token_type_embeddings.weight"


@dataclass(frozen=True)
class Shape:
    """The values of `config.json`, with the same names for all architectures."""

    model_type: str
    hidden: int
    inner: int
    heads: int
    layers: int
    vocabulary: int
    positions: int
    epsilon: float
    activation: str
    padding_id: int
    buckets: int


class BertEncoder:
    """Adds the encoder to a graph. Methods take and return names of values."""

    def __init__(
        self, config: Mapping[str, Any], tensors: Mapping[str, Tensor], *, typed: bool
    ) -> None:
        """`typed`: the graph takes the types of tokens, if the model has several. Raises
        Unavailable and EngineFailed.
        """
        self.shape = shape = usable(config, _read_shape)
        check_heads(shape.layers, shape.heads, shape.hidden)
        self.names = NAMES[shape.model_type]
        self.prefix = prefix_of(tensors, "embeddings.word_embeddings.weight")
        self.graph = Graph(tensors, shape.hidden)
        self._types = tensors.get(f"{self.prefix}{_TYPE_TABLE}")
        self._typed = typed and self._types is not None and self._types.shape[0] > 1
        if self._typed:
            self.graph.inputs.append(TYPES)

    def states(self) -> str:
        """The last hidden states."""
        bias = self._relative_bias() if self.shape.model_type == "mpnet" else ""
        mask = self.graph.mask()
        state = self._embeddings()
        for index in range(self.shape.layers):
            state = self._layer(index, state, mask, bias)
        return state

    def _embeddings(self) -> str:
        graph, shape = self.graph, self.shape
        words = self._weight("embeddings.word_embeddings.weight", shape.vocabulary, shape.hidden)
        table = self._weight("embeddings.position_embeddings.weight", shape.positions, shape.hidden)
        state = graph.node("Gather", [words, "input_ids"])
        state = graph.node("Add", [state, graph.node("Gather", [table, self._positions()])])
        if self._types is not None:
            table = self._weight(_TYPE_TABLE, self._types.shape[0], shape.hidden)
            types = TYPES if self._typed else graph.constant(0)
            state = graph.node("Add", [state, graph.node("Gather", [table, types])])
        return graph.flat(self._norm(state, "embeddings.LayerNorm"))

    def _positions(self) -> str:
        """Positions of the tokens: [sequence], or [batch, sequence] where padding is skipped."""
        from onnx import TensorProto

        graph = self.graph
        if self.shape.model_type not in POSITIONS_AFTER_PADDING:
            return graph.places()
        padding = graph.constant(self.shape.padding_id)
        is_padding = graph.node("Equal", ["input_ids", padding])
        real = graph.node("Cast", [graph.node("Not", [is_padding])], to=TensorProto.INT64)
        count = graph.node("CumSum", [real, graph.constant(1)])
        return graph.node("Add", [graph.node("Mul", [count, real]), padding])

    def _relative_bias(self) -> str:
        """The bias of each attention score by distance: [1, heads, sequence, sequence]."""
        graph, shape = self.graph, self.shape
        table = self._weight("encoder.relative_attention_bias.weight", shape.buckets, shape.heads)
        by_distance = graph.node(
            "Gather", [table, graph.constant(relative_buckets(shape.positions, shape.buckets))]
        )
        index = graph.node("Add", [graph.distances(), graph.constant(shape.positions - 1)])
        bias = graph.node("Transpose", [graph.node("Gather", [by_distance, index])], perm=[2, 0, 1])
        return graph.node("Unsqueeze", [bias, graph.constant([0])])

    def _layer(self, index: int, state: str, mask: str, bias: str) -> str:
        graph, shape, names = self.graph, self.shape, self.names
        at = f"{names['layer']}.{index}"
        parts = [
            graph.batched(self._linear(state, f"{at}.{names[part]}", shape.hidden, shape.hidden))
            for part in ("query", "key", "value")
        ]
        mixed = graph.attention(parts, mask, bias, shape.heads)
        mixed = self._linear(mixed, f"{at}.{names['attention_output']}", shape.hidden, shape.hidden)
        state = self._norm(graph.node("Add", [mixed, state]), f"{at}.{names['attention_norm']}")
        inner = self._linear(state, f"{at}.{names['up']}", shape.hidden, shape.inner)
        inner = graph.activation(inner, shape.activation)
        inner = self._linear(inner, f"{at}.{names['down']}", shape.inner, shape.hidden)
        return self._norm(graph.node("Add", [inner, state]), f"{at}.{names['norm']}")

    def _weight(self, name: str, *shape: int) -> str:
        return self.graph.weight(self.prefix + name, *shape)

    def _linear(self, state: str, name: str, inputs: int, outputs: int) -> str:
        return self.graph.linear(state, self.prefix + name, inputs, outputs)

    def _norm(self, state: str, name: str) -> str:
        return self.graph.norm(state, self.prefix + name, self.shape.epsilon)


def _read_shape(config: Mapping[str, Any]) -> Shape:
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise unsupported("relative position embeddings of this kind")
    if config.get("is_decoder") or config.get("add_cross_attention"):
        raise unsupported("decoders")
    distil = config["model_type"] == "distilbert"
    activation = config.get("activation" if distil else "hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise unsupported(f"the activation `{activation}`")
    return Shape(
        model_type=config["model_type"],
        hidden=int(config["dim" if distil else "hidden_size"]),
        inner=int(config["hidden_dim" if distil else "intermediate_size"]),
        heads=int(config["n_heads" if distil else "num_attention_heads"]),
        layers=int(config["n_layers" if distil else "num_hidden_layers"]),
        vocabulary=int(config["vocab_size"]),
        positions=int(config["max_position_embeddings"]),
        epsilon=1e-12 if distil else float(config.get("layer_norm_eps", 1e-12)),
        activation=activation,
        padding_id=int(1 if config.get("pad_token_id") is None else config["pad_token_id"]),
        buckets=int(config.get("relative_attention_num_buckets", 32)),
    )


def relative_buckets(positions: int, buckets: int, max_distance: int = 128) -> list[int]:
    """The bias bucket of each distance `key - query`, from -(positions - 1) to positions - 1.

    Half of the buckets is for each direction; within a half, the first half counts one by one
    and the rest grows logarithmically up to `max_distance`.
    """
    half = buckets // 2
    exact = half // 2

    def bucket(distance: int) -> int:
        ahead = half if distance > 0 else 0
        steps = abs(distance)
        if steps < exact:
            return ahead + steps
        growth = math.log(steps / exact) / math.log(max_distance / exact) * (half - exact)
        # The bounds between buckets are powers of two: rounding must not fall below them.
        return ahead + min(half - 1, exact + int(growth + 1e-6))

    return [bucket(distance) for distance in range(1 - positions, positions)]
