"""A BERT with adapters and a head, in torch, for training. torch is not needed to run it.

The lowest layers stay as they are, so that the states after them are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch.nn import functional

from openedai.weights.onnx_graph.files import read_config

# The linear layers of each layer of the encoder.
LINEAR: tuple[str, ...] = ("attention.self.query", "attention.self.key", "attention.self.value")
LINEAR += ("attention.output.dense", "intermediate.dense", "output.dense")
RANK = 8
HIDDEN = 96
LOWEST = -1e9
Drop = Callable[[torch.Tensor], torch.Tensor]


class Encoder:
    """The weights of a model's folder, which are not trained."""

    def __init__(self, folder: Path) -> None:
        config = read_config(folder)
        self.weights = load_file(folder / "model.safetensors")
        self.layers: int = config["num_hidden_layers"]
        self.frozen = self.layers // 3
        self.width: int = config["hidden_size"]
        self.heads: int = config["num_attention_heads"]
        self.epsilon: float = config["layer_norm_eps"]

    def lower(self, batch: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """For each row of ids, which are sorted by length, the states after the frozen layers."""
        lengths = torch.tensor([len(row) for row in batch])
        ids = torch.zeros(len(batch), int(lengths.max()), dtype=torch.long)
        for index, row in enumerate(batch):
            ids[index, : len(row)] = torch.tensor(row)
        with torch.no_grad():
            table = self.weights["embeddings.position_embeddings.weight"]
            states = self.weights["embeddings.word_embeddings.weight"][ids]
            states = states + table[: ids.shape[1]]
            states = states + self.weights["embeddings.token_type_embeddings.weight"][0]
            states = self.norm("embeddings.LayerNorm", states)
            for number in range(self.frozen):
                states = self.layer(number, states, real(lengths), {})
        return [states[row, :length].clone() for row, length in enumerate(map(len, batch))]

    def layer(
        self, index: int, states: torch.Tensor, mask: torch.Tensor, adapters: dict[str, Any]
    ) -> torch.Tensor:
        at = f"encoder.layer.{index}."

        def linear(name: str, values: torch.Tensor) -> torch.Tensor:
            weight, bias = (self.weights[f"{at}{name}.{part}"] for part in ("weight", "bias"))
            result = functional.linear(values, weight, bias)
            if at + name in adapters:
                down, up = adapters[at + name]
                result = result + values @ down @ up
            return result

        rows, length, _ = states.shape
        query, key, value = (
            linear(name, states).view(rows, length, self.heads, -1).transpose(1, 2)
            for name in LINEAR[:3]
        )
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        scores = scores.masked_fill(~mask[:, None, None, :], LOWEST)
        mixed = (torch.softmax(scores, -1) @ value).transpose(1, 2).reshape(states.shape)
        states = self.norm(f"{at}attention.output.LayerNorm", states + linear(LINEAR[3], mixed))
        inner = linear(LINEAR[5], functional.gelu(linear(LINEAR[4], states)))
        return self.norm(f"{at}output.LayerNorm", states + inner)

    def norm(self, name: str, states: torch.Tensor) -> torch.Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.layer_norm(states, (self.width,), weight, bias, self.epsilon)


class Network:
    """The upper layers with adapters, and the head: log odds of so many labels."""

    def __init__(self, encoder: Encoder, labels: int, chooser: torch.Generator) -> None:
        self.encoder = encoder
        self.adapters: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

        def random(inputs: int, outputs: int) -> torch.nn.Parameter:
            values = torch.randn(inputs, outputs, generator=chooser)
            return torch.nn.Parameter(values * inputs**-0.5)

        for index in range(encoder.frozen, encoder.layers):
            for linear in LINEAR:
                name = f"encoder.layer.{index}.{linear}"
                outputs, inputs = encoder.weights[f"{name}.weight"].shape
                up = torch.nn.Parameter(torch.zeros(RANK, outputs))
                self.adapters[name] = (random(inputs, RANK), up)
        self.hidden = (random(2 * encoder.width, HIDDEN), _zeros(HIDDEN))
        self.output = (random(HIDDEN, labels), torch.nn.Parameter(torch.full((labels,), -2.0)))

    def __call__(
        self, states: torch.Tensor, lengths: torch.Tensor, drop: Drop | None
    ) -> torch.Tensor:
        mask = real(lengths)
        for index in range(self.encoder.frozen, self.encoder.layers):
            states = self.encoder.layer(index, states, mask, self.adapters)
        kept = mask[..., None]
        mean = (states * kept).sum(1) / lengths[:, None]
        highest = states.masked_fill(~kept, LOWEST).amax(1)
        weight, bias = self.hidden
        hidden = functional.gelu(torch.cat([mean, highest], 1) @ weight + bias)
        weight, bias = self.output
        return (hidden if drop is None else hidden * drop(hidden)) @ weight + bias

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """What was trained, as `adapted_graph` takes it."""
        found: dict[str, torch.Tensor] = {}
        for name, (down, up) in self.adapters.items():
            found |= {f"{name}.down": down, f"{name}.up": up}
        for name, (weight, bias) in (("hidden", self.hidden), ("output", self.output)):
            found |= {f"{name}.weight": weight, f"{name}.bias": bias}
        return {name: values.detach().numpy().copy() for name, values in found.items()}


def real(lengths: torch.Tensor) -> torch.Tensor:
    """[rows, longest]: whether there is a token."""
    return torch.arange(int(lengths.max()))[None] < lengths[:, None]


def padded(rows: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows as one tensor, and their lengths."""
    lengths = torch.tensor([len(row) for row in rows])
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True), lengths


def _zeros(count: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(count))
