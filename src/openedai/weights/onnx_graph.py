"""Makes `model.onnx` out of a text encoder's `config.json` and `model.safetensors`.

Only the graph is written: its weights stay in `model.safetensors`, as external data that ONNX
Runtime maps into memory. So the graph takes some kilobytes, and the weights are on disk once.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openedai.errors import APIError, EngineFailed, Unavailable

WEIGHTS = "model.safetensors"
GRAPH = "model.onnx"
OPSET = 20
IR_VERSION = 9

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
ACTIVATIONS = {
    "gelu": ("Gelu", {}),
    "gelu_new": ("Gelu", {"approximate": "tanh"}),
    "gelu_pytorch_tanh": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
}


def write_onnx(folder: Path) -> Path:
    """Write `folder`/model.onnx and return its path; the file appears whole or not at all.

    The graph takes `input_ids` and `attention_mask` (int64, [batch, sequence]) and gives
    `last_hidden_state` (float32, [batch, sequence, hidden]). It runs on ONNX Runtime only, and
    needs `model.safetensors` in the same folder, as a file or a hard link: ONNX Runtime follows no
    symbolic link out of the folder.

    Raises Unavailable for an unsupported architecture, EngineFailed for files that are missing,
    broken or do not fit together.
    """
    shape = _read_shape(folder / "config.json")
    tensors = _read_header(folder / WEIGHTS)
    model = _Encoder(shape, tensors).model()
    target = folder / GRAPH
    partial = folder / f".{GRAPH}.{os.getpid()}.partial"
    try:
        partial.write_bytes(model.SerializeToString())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


@dataclass(frozen=True)
class _Shape:
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


@dataclass(frozen=True)
class _Tensor:
    """A tensor in the weights file; `offset` and `length` in bytes."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


def _read_shape(file: Path) -> _Shape:
    config = _read_json(file)
    model_type = config.get("model_type")
    if model_type not in NAMES:
        raise _unsupported(f"models of type `{model_type}`")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise _unsupported("relative position embeddings of this kind")
    if config.get("is_decoder") or config.get("add_cross_attention"):
        raise _unsupported("decoders")
    distil = model_type == "distilbert"
    activation = config.get("activation" if distil else "hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise _unsupported(f"the activation `{activation}`")
    try:
        shape = _Shape(
            model_type=model_type,
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
    except (KeyError, TypeError, ValueError) as error:
        raise EngineFailed(f"{file.name} of the model is not usable: {error!r}.") from error
    if shape.layers < 1 or shape.heads < 1 or shape.hidden % shape.heads:
        raise EngineFailed(
            f"{file.name} of the model is not usable: {shape.layers} layers, {shape.heads} heads "
            f"over a width of {shape.hidden}."
        )
    return shape


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise EngineFailed(f"{file.name} of the model cannot be read: {error}.") from error
    if not isinstance(value, dict):
        raise EngineFailed(f"{file.name} of the model is not a JSON object.")
    return value


def _unsupported(feature: str) -> APIError:
    return Unavailable(
        f"No ONNX graph can be made for {feature}. The engine `sentence_transformers` runs them: "
        "pip install 'openedai[sentence-transformers]'."
    )


def _read_header(file: Path) -> dict[str, _Tensor]:
    """The tensors of a safetensors file: an 8-byte length, a JSON header, then the raw data."""
    try:
        with file.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            if size > file.stat().st_size:
                raise ValueError(f"a header of {size} bytes")
            header = json.loads(stream.read(size))
        start, end = 8 + size, file.stat().st_size
        tensors = {
            name: _Tensor(
                dtype=entry["dtype"],
                shape=tuple(entry["shape"]),
                offset=start + entry["data_offsets"][0],
                length=entry["data_offsets"][1] - entry["data_offsets"][0],
            )
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineFailed(f"{file.name} of the model cannot be read: {error!r}.") from error
    if any(tensor.offset + tensor.length > end for tensor in tensors.values()):
        raise EngineFailed(f"{file.name} of the model is cut short.")
    return tensors


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


class _Encoder:
    """Builds the graph node by node. Methods take and return names of values."""

    def __init__(self, shape: _Shape, tensors: Mapping[str, _Tensor]) -> None:
        self.shape = shape
        self.tensors = tensors
        self.names = NAMES[shape.model_type]
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        word = "embeddings.word_embeddings.weight"
        found = [name for name in tensors if name == word or name.endswith(f".{word}")]
        if len(found) != 1:
            raise EngineFailed(f"{WEIGHTS} holds {len(found)} tensors named `{word}`, not one.")
        self.prefix = found[0].removesuffix(word)

    def model(self) -> Any:
        from onnx import TensorProto, helper

        shape = self.node("Shape", ["input_ids"])
        shape = self.node("Concat", [shape, self.constant([self.shape.hidden])], axis=0)
        bias = self.relative_bias() if self.shape.model_type == "mpnet" else ""
        mask = self.node("Cast", ["attention_mask"], to=TensorProto.INT32)
        state = self.embeddings()
        for index in range(self.shape.layers):
            state = self.layer(index, state, shape, mask, bias)
        self.node("Reshape", [state, shape], "last_hidden_state")
        axes = ["batch", "sequence"]
        graph = helper.make_graph(
            self.nodes,
            self.shape.model_type,
            [
                helper.make_tensor_value_info(name, TensorProto.INT64, axes)
                for name in ("input_ids", "attention_mask")
            ],
            [
                helper.make_tensor_value_info(
                    "last_hidden_state", TensorProto.FLOAT, [*axes, self.shape.hidden]
                )
            ],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def node(
        self, op: str, inputs: Sequence[str], output: str | None = None, **attributes: Any
    ) -> str:
        from onnx import helper

        output = output or f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def constant(self, values: int | list[int]) -> str:
        from onnx import TensorProto, helper

        name = f"constant_{len(self.initializers)}"
        dims, flat = ([], [values]) if isinstance(values, int) else ([len(values)], values)
        self.initializers.append(helper.make_tensor(name, TensorProto.INT64, dims, flat))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """A tensor of the weights file, as float32. Checks its shape."""
        from onnx import TensorProto

        name = self.prefix + name
        tensor = self.tensors.get(name)
        if tensor is None:
            raise EngineFailed(f"{WEIGHTS} has no tensor `{name}`.")
        types = {"F32": "FLOAT", "F16": "FLOAT16", "BF16": "BFLOAT16"}
        if tensor.dtype not in types:
            raise EngineFailed(f"`{name}` in {WEIGHTS} is of type {tensor.dtype}.")
        data_type = TensorProto.DataType.Value(types[tensor.dtype])
        width = 4 if tensor.dtype == "F32" else 2
        if tensor.shape != shape or tensor.length != math.prod(shape) * width:
            raise EngineFailed(f"`{name}` in {WEIGHTS} is {tensor.shape} where {shape} is needed.")
        proto = TensorProto(name=name, data_type=data_type, dims=shape)
        proto.data_location = TensorProto.EXTERNAL
        location = {"location": WEIGHTS, "offset": tensor.offset, "length": tensor.length}
        for key, value in location.items():
            proto.external_data.add(key=key, value=str(value))
        self.initializers.append(proto)
        if data_type == TensorProto.FLOAT:
            return name
        return self.node("Cast", [name], to=TensorProto.FLOAT)

    def linear(self, state: str, name: str, inputs: int, outputs: int) -> str:
        """`state` is [batch * sequence, inputs]; so is the result, with `outputs`."""
        weight = self.weight(f"{name}.weight", outputs, inputs)
        return self.node("Gemm", [state, weight, self.weight(f"{name}.bias", outputs)], transB=1)

    def norm(self, state: str, name: str) -> str:
        size = self.shape.hidden
        weights = [self.weight(f"{name}.weight", size), self.weight(f"{name}.bias", size)]
        return self.node(
            "LayerNormalization", [state, *weights], axis=-1, epsilon=self.shape.epsilon
        )

    def embeddings(self) -> str:
        """[batch * sequence, hidden]"""
        shape = self.shape
        words = self.weight("embeddings.word_embeddings.weight", shape.vocabulary, shape.hidden)
        table = self.weight("embeddings.position_embeddings.weight", shape.positions, shape.hidden)
        state = self.node("Gather", [words, "input_ids"])
        state = self.node("Add", [state, self.node("Gather", [table, self.positions()])])
        name = "embeddings.token_type_embeddings.weight"
        stored = self.tensors.get(self.prefix + name)
        if stored is not None:
            table = self.weight(name, stored.shape[0], shape.hidden)
            state = self.node("Add", [state, self.node("Gather", [table, self.constant(0)])])
        state = self.norm(state, "embeddings.LayerNorm")
        return self.node("Reshape", [state, self.constant([-1, shape.hidden])])

    def positions(self) -> str:
        """Positions of the tokens: [sequence], or [batch, sequence] where padding is skipped."""
        from onnx import TensorProto

        if self.shape.model_type not in POSITIONS_AFTER_PADDING:
            return self.node("Range", [self.constant(0), self.length(), self.constant(1)])
        padding = self.constant(self.shape.padding_id)
        is_padding = self.node("Equal", ["input_ids", padding])
        real = self.node("Cast", [self.node("Not", [is_padding])], to=TensorProto.INT64)
        count = self.node("CumSum", [real, self.constant(1)])
        return self.node("Add", [self.node("Mul", [count, real]), padding])

    def length(self) -> str:
        """The length of the sequence: a scalar."""
        shape = self.node("Shape", ["input_ids"], start=1, end=2)
        return self.node("Squeeze", [shape, self.constant([0])])

    def relative_bias(self) -> str:
        """The bias of each attention score by distance: [1, heads, sequence, sequence]."""
        shape = self.shape
        table = self.weight("encoder.relative_attention_bias.weight", shape.buckets, shape.heads)
        by_distance = self.node(
            "Gather", [table, self.constant(relative_buckets(shape.positions, shape.buckets))]
        )
        positions = self.node("Range", [self.constant(0), self.length(), self.constant(1)])
        queries = self.node("Unsqueeze", [positions, self.constant([1])])
        distance = self.node("Sub", [positions, queries])
        index = self.node("Add", [distance, self.constant(shape.positions - 1)])
        bias = self.node("Transpose", [self.node("Gather", [by_distance, index])], perm=[2, 0, 1])
        return self.node("Unsqueeze", [bias, self.constant([0])])

    def layer(self, index: int, state: str, by_batch: str, mask: str, bias: str) -> str:
        shape, names = self.shape, self.names
        at = f"{names['layer']}.{index}"
        attention = self.attention(at, state, by_batch, mask, bias)
        summed = self.node("Add", [attention, state])
        state = self.norm(summed, f"{at}.{names['attention_norm']}")
        inner = self.linear(state, f"{at}.{names['up']}", shape.hidden, shape.inner)
        operator, attributes = ACTIVATIONS[shape.activation]
        inner = self.node(operator, [inner], **attributes)
        inner = self.linear(inner, f"{at}.{names['down']}", shape.inner, shape.hidden)
        summed = self.node("Add", [inner, state])
        return self.norm(summed, f"{at}.{names['norm']}")

    def attention(self, at: str, state: str, by_batch: str, mask: str, bias: str) -> str:
        """Multi-head attention over `state`, [batch * sequence, hidden], with its projections."""
        shape, names = self.shape, self.names
        flat = self.constant([-1, shape.hidden])
        parts = [
            self.node(
                "Reshape",
                [self.linear(state, f"{at}.{names[part]}", shape.hidden, shape.hidden), by_batch],
            )
            for part in ("query", "key", "value")
        ]
        mixed = self.node(
            "MultiHeadAttention",
            [*parts, "", mask, bias],
            domain="com.microsoft",
            num_heads=shape.heads,
        )
        mixed = self.node("Reshape", [mixed, flat])
        return self.linear(mixed, f"{at}.{names['attention_output']}", shape.hidden, shape.hidden)
