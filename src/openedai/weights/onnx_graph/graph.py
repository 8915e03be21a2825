"""A graph that is built node by node, over the tensors of a weights file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from openedai.engines.embedding.graph import PADDING, SKIPPED
from openedai.errors import EngineFailed
from openedai.weights.onnx_graph.files import WEIGHTS, Tensor, unsupported

OPSET = 20
IR_VERSION = 9
IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
AXES = ("batch", "sequence")

ACTIVATIONS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "gelu": ("Gelu", {}),
    "gelu_new": ("Gelu", {"approximate": "tanh"}),
    "gelu_pytorch_tanh": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
    "tanh": ("Tanh", {}),
}
_TYPES = {"F32": "FLOAT", "F16": "FLOAT16", "BF16": "BFLOAT16"}


class Graph:
    """Methods take and return names of values. `hidden` is the width of the model's states.

    States are those of all tokens of the batch, without padding: [tokens, hidden]. Only attention
    has them by text, with padding.
    """

    def __init__(self, tensors: Mapping[str, Tensor], hidden: int) -> None:
        self.tensors = tensors
        self.hidden = hidden
        self.inputs = [IDS, MASK]
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._tokens, self._order = self._without_padding()

    def model(self, output: str, axes: Sequence[str | int]) -> Any:
        """The ONNX model with this output: a float32 of this shape."""
        from onnx import TensorProto, helper

        graph = helper.make_graph(
            self.nodes,
            "model",
            [helper.make_tensor_value_info(name, TensorProto.INT64, AXES) for name in self.inputs],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, axes)],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        helper.set_model_props(model, {PADDING: SKIPPED})
        return model

    def node(
        self, op: str, inputs: Sequence[str], output: str | None = None, **attributes: Any
    ) -> str:
        """One node with one output."""
        return self._nodes(op, inputs, [output or f"{op}_{len(self.nodes)}"], **attributes)[0]

    def split(self, state: str, parts: int) -> list[str]:
        """States in parts of the same width."""
        names = [f"Split_{len(self.nodes)}_{part}" for part in range(parts)]
        return self._nodes("Split", [state], names, axis=1, num_outputs=parts)

    def _nodes(
        self, op: str, inputs: Sequence[str], outputs: list[str], **attributes: Any
    ) -> list[str]:
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
        return outputs

    def constant(self, values: int | list[int]) -> str:
        """An int64: a scalar, or a vector."""
        from onnx import TensorProto

        dims, flat = ([], [values]) if isinstance(values, int) else ([len(values)], values)
        return self._constant(TensorProto.INT64, dims, flat)

    def floats(self, *values: float) -> str:
        """A vector of float32."""
        from onnx import TensorProto

        return self._constant(TensorProto.FLOAT, [len(values)], values)

    def _constant(self, data_type: int, dims: list[int], values: Sequence[float]) -> str:
        from onnx import helper

        name = f"constant_{len(self.initializers)}"
        self.initializers.append(helper.make_tensor(name, data_type, dims, values))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """A tensor of the weights file, as float32. Checks its shape."""
        from onnx import TensorProto

        tensor = self.tensors.get(name)
        if tensor is None:
            raise EngineFailed(f"{WEIGHTS} has no tensor `{name}`.")
        if tensor.dtype not in _TYPES:
            raise EngineFailed(f"`{name}` in {WEIGHTS} is of type {tensor.dtype}.")
        data_type = TensorProto.DataType.Value(_TYPES[tensor.dtype])
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

    def linear(self, state: str, name: str, inputs: int, outputs: int, *, bias: bool = True) -> str:
        """`state` is [rows, inputs]; so is the result, with `outputs`."""
        weights = [self.weight(f"{name}.weight", outputs, inputs)]
        if bias:
            weights.append(self.weight(f"{name}.bias", outputs))
        return self.node("Gemm", [state, *weights], transB=1)

    def norm(self, state: str, name: str, epsilon: float, *, bias: bool = True) -> str:
        """Layer normalisation."""
        weights = [self.weight(f"{name}.weight", self.hidden)]
        if bias:
            weights.append(self.weight(f"{name}.bias", self.hidden))
        return self.node("LayerNormalization", [state, *weights], axis=-1, epsilon=epsilon)

    def activation(self, state: str, name: str) -> str:
        """Raises Unavailable for an activation that is not supported."""
        if name not in ACTIVATIONS:
            raise unsupported(f"the activation `{name}`")
        operator, attributes = ACTIVATIONS[name]
        return self.node(operator, [state], **attributes)

    def length(self) -> str:
        """The length of the sequence: a scalar."""
        shape = self.node("Shape", [IDS], start=1, end=2)
        return self.node("Squeeze", [shape, self.constant([0])])

    def places(self) -> str:
        """The positions 0, 1, … in the sequence: [sequence]."""
        return self.node("Range", [self.constant(0), self.length(), self.constant(1)])

    def distances(self) -> str:
        """key - query for each pair of positions: [sequence, sequence]."""
        places = self.places()
        queries = self.node("Unsqueeze", [places, self.constant([1])])
        return self.node("Sub", [places, queries])

    def mask(self) -> str:
        """What attention takes as the mask of the keys."""
        from onnx import TensorProto

        return self.node("Cast", [MASK], to=TensorProto.INT32)

    def attention(self, parts: Sequence[str], mask: str, bias: str, heads: int) -> str:
        """Multi-head attention of query, key and value, each [batch, sequence, hidden], as states.

        `bias` is added to the scores; empty for none.
        """
        mixed = self.node(
            "MultiHeadAttention",
            [*parts, "", mask, bias],
            domain="com.microsoft",
            num_heads=heads,
        )
        return self.flat(mixed)

    def flat(self, state: str) -> str:
        """[batch, sequence, hidden] as states."""
        rows = self.node("Reshape", [state, self.constant([-1, self.hidden])])
        return self.node("Gather", [rows, self._tokens])

    def batched(self, state: str, output: str | None = None) -> str:
        """States as [batch, sequence, hidden]. The values at padding positions are meaningless."""
        return self.node("Gather", [state, self._order], output)

    def first(self, state: str) -> str:
        """The states of each text's first token: [batch, hidden]."""
        firsts = self.node("Gather", [self._order, self.constant(0)], axis=1)
        return self.node("Gather", [state, firsts])

    def _without_padding(self) -> tuple[str, str]:
        """Where the tokens are in [batch * sequence], and their numbers as [batch, sequence].

        The first position of a text counts as a token even if the text has none.
        """
        from onnx import TensorProto

        begins = self.node("Equal", [self.places(), self.constant(0)])
        real = self.node("Or", [self.node("Cast", [MASK], to=TensorProto.BOOL), begins])
        flat = self.node("Reshape", [real, self.constant([-1])])
        tokens = self.node("Reshape", [self.node("NonZero", [flat]), self.constant([-1])])
        count = self.node("Cast", [flat], to=TensorProto.INT64)
        numbers = self.node("CumSum", [count, self.constant(0)])
        numbers = self.node("Sub", [numbers, self.constant(1)])
        return tokens, self.node("Reshape", [numbers, self.node("Shape", [IDS])])
