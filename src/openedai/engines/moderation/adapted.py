"""An encoder's ONNX graph, extended by what was trained to score texts: adapters and a head.

An adapter is two small matrices next to a linear layer; their product is added to its weights. The
head has two layers over the mean and the maximum of the states of a text's tokens, with GELU after
the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openedai.errors import EngineFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OUTPUT = "logits"
DOWN, UP = ".down", ".up"
STATES, MASK = "last_hidden_state", "attention_mask"
# Lower than any state.
LOWEST = -1e9
HIDDEN, LAST = ("hidden.weight", "hidden.bias"), ("output.weight", "output.bias")
Trained = Mapping[str, "NDArray[np.float32]"]


def adapted_graph(file: Path, trained: Trained) -> bytes:
    """The graph in `file`, which keeps its weights elsewhere, extended by what was trained.

    `trained` has `NAME.down` and `NAME.up` for adapted layers, and `hidden.weight`, `hidden.bias`,
    `output.weight` and `output.bias` of the head. The graph gives `logits`, [batch, labels]. Raises
    EngineFailed where it is not one that was written from the weights of such an encoder.
    """
    import onnx

    try:
        model = onnx.load(str(file), load_external_data=False)
    except Exception as error:  # the library raises no narrower class
        raise EngineFailed(f"{file.name} of the model cannot be read: {error}.") from error
    graph = _Extended(model.graph, trained)
    for name in trained:
        if name.endswith(DOWN):
            graph.adapt(name.removesuffix(DOWN))
    graph.add_head()
    return bytes(model.SerializeToString())


class _Extended:
    """Changes a graph in place."""

    def __init__(self, graph: Any, trained: Trained) -> None:
        self._graph = graph
        self._trained = trained
        self._shapes = {one.name: tuple(one.dims) for one in graph.initializer}
        casts = {one.output[0]: one.input[0] for one in graph.node if one.op_type == "Cast"}
        # The nodes of linear layers, by the names of their weights.
        self._linear = {
            casts.get(one.input[1], one.input[1]): one
            for one in graph.node
            if one.op_type == "Gemm"
        }

    def adapt(self, layer: str) -> None:
        """Add the adapter of a linear layer, whose name has any prefix in the graph."""
        from onnx import helper

        ends = (f"{layer}.weight", f".{layer}.weight")
        found = [name for name in self._linear if name == ends[0] or name.endswith(ends[1])]
        down, up = self._trained[layer + DOWN], self._trained.get(layer + UP)
        if len(found) != 1 or up is None or down.shape[1] != up.shape[0]:
            raise _other(layer)
        if self._shapes.get(found[0]) != (up.shape[1], down.shape[0]):
            raise _other(layer)
        node = self._linear[found[0]]
        result, inner, base = node.output[0], f"{layer}.inner", f"{layer}.base"
        node.output[0] = base
        added = [
            helper.make_node("MatMul", [node.input[0], self._constant(layer + DOWN)], [inner]),
            helper.make_node("Gemm", [inner, self._constant(layer + UP), base], [result]),
        ]
        at = next(index for index, one in enumerate(self._graph.node) if one.output[0] == base)
        for node in reversed(added):
            self._graph.node.insert(at + 1, node)

    def add_head(self) -> None:
        from onnx import TensorProto, helper

        (output,) = self._graph.output
        sizes = [one.dim_value for one in output.type.tensor_type.shape.dim]
        if output.name != STATES or 2 * sizes[-1] != len(self._trained["hidden.weight"]):
            raise _other("hidden")
        hidden = self._node("Gemm", self._pooled(), *map(self._constant, HIDDEN))
        self._node("Gemm", self._node("Gelu", hidden), *map(self._constant, LAST), output=OUTPUT)
        shape = ["batch", self._trained["output.weight"].shape[1]]
        del self._graph.output[:]
        self._graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape))

    def _pooled(self) -> str:
        """The mean and the maximum of the states of each text's tokens: [batch, 2 * width]."""
        from onnx import TensorProto

        real = self._node("Cast", MASK, to=TensorProto.FLOAT)
        rows = self._node("Unsqueeze", real, self._integer(1))
        total = self._node("Squeeze", self._node("MatMul", rows, STATES), self._integer(1))
        count = self._node("ReduceSum", real, self._integer(1), keepdims=1)
        padding = self._node("Sub", self._float(1.0), real)
        lowered = self._node("Mul", padding, self._float(LOWEST))
        lowered = self._node("Unsqueeze", lowered, self._integer(2))
        states = self._node("Add", STATES, lowered)
        highest = self._node("ReduceMax", states, self._integer(1), keepdims=0)
        return self._node("Concat", self._node("Div", total, count), highest, axis=1)

    def _node(self, op: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = output or f"head.{len(self._graph.node)}"
        self._graph.node.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def _constant(self, name: str) -> str:
        from onnx import numpy_helper

        self._graph.initializer.append(numpy_helper.from_array(self._trained[name], name))
        return name

    def _integer(self, value: int) -> str:
        from onnx import TensorProto

        return self._value(TensorProto.INT64, [1], [value])

    def _float(self, value: float) -> str:
        from onnx import TensorProto

        return self._value(TensorProto.FLOAT, [], [value])

    def _value(self, data_type: int, dims: list[int], values: list[float]) -> str:
        from onnx import helper

        name = f"head.constant.{len(self._graph.initializer)}"
        self._graph.initializer.append(helper.make_tensor(name, data_type, dims, values))
        return name


def _other(layer: str) -> EngineFailed:
    return EngineFailed(
        f"The classifier for moderation was trained for another encoder: `{layer}` does not fit."
    )
