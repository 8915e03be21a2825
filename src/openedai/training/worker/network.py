"""Models of the llama type in plain torch, with the names and layouts of GGUF files, so that
llama.cpp can use the trained adapter as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from openedai.training.worker.weights import Weights

LAYERS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
# How many positions have their logits in memory at once: each has one logit for every token of the
# vocabulary.
_LOGITS = 512


class Adapted:
    """A linear layer with frozen weights and two small matrices, `a` and `b`, that learn.

    `start` has the matrices that the training began with, if these have an effect.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight = weight
        self.bias = bias
        self.a: torch.Tensor | None = None
        self.b: torch.Tensor | None = None
        self.start: tuple[torch.Tensor, torch.Tensor] | None = None
        self.scale = 0.0

    def adapt(self, rank: int, alpha: float, random: torch.Generator) -> None:
        """Add matrices that change nothing yet."""
        rows, columns = self.weight.shape
        a = (torch.rand(rank, columns, generator=random) * 2 - 1) / math.sqrt(columns)
        device = self.weight.device
        self.a = a.to(device).requires_grad_()
        self.b = torch.zeros(rows, rank, device=device).requires_grad_()
        self.scale = alpha / rank

    def __call__(self, x: torch.Tensor, *, reference: bool = False) -> torch.Tensor:
        """The layer's output; with `reference`, as it was before the training."""
        y = F.linear(x, self.weight.float(), self.bias)
        if self.a is None or self.b is None:
            return y
        if reference:
            if self.start is None:
                return y
            a, b = self.start
        else:
            a, b = self.a, self.b
        return y + F.linear(F.linear(x, a), b) * self.scale


class Network:
    """A model with an adapter. Weights are kept in `precision`, and widened when they are used.
    With `recompute` a layer's values are not kept, but computed again for its gradients.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        precision: torch.dtype = torch.float32,
        recompute: bool = False,
        device: str = "cpu",
    ) -> None:
        """Raises ValueError for weights that lack a tensor."""
        self.shape = shape = weights.shape
        self._recompute = recompute
        self._device = device

        def read(name: str) -> torch.Tensor:
            return weights.read(name).to(device, precision)

        def optional(name: str) -> torch.Tensor | None:
            return weights.read(name).to(device).flatten() if name in weights else None

        self._embeddings = read("token_embd.weight")
        self._output = read("output.weight") if "output.weight" in weights else self._embeddings
        self._norms = {
            name: found for name in self._norm_names() if (found := optional(name)) is not None
        }
        self.layers = {
            name: Adapted(read(f"{name}.weight"), optional(f"{name}.bias"))
            for block in range(shape.blocks)
            for name in (f"blk.{block}.{part}" for part in LAYERS)
        }
        exponents = torch.arange(0, shape.head_size, 2, dtype=torch.float64) / shape.head_size
        frequencies = shape.rope_base**-exponents
        if "rope_freqs.weight" in weights:
            frequencies = frequencies / weights.read("rope_freqs.weight").double()
        self._frequencies = frequencies.float().to(device)

    def adapt(self, rank: int, alpha: float, seed: int) -> list[torch.Tensor]:
        """Add an adapter to every layer. Returns what is to be trained."""
        random = torch.Generator().manual_seed(seed)
        for layer in self.layers.values():
            layer.adapt(rank, alpha, random)
        return [
            one for layer in self.layers.values() for one in (layer.a, layer.b) if one is not None
        ]

    def adapter(self) -> dict[str, torch.Tensor]:
        """The adapter's matrices, by their names in a GGUF file."""
        return {
            f"{name}.weight.lora_{part}": matrix.detach()
            for name, layer in self.layers.items()
            for part, matrix in (("a", layer.a), ("b", layer.b))
            if matrix is not None
        }

    def load_adapter(self, matrices: Mapping[str, torch.Tensor], *, starts: bool = False) -> None:
        """Set the adapter's matrices; with `starts`, these become the reference. Raises ValueError
        for matrices that this adapter does not have.
        """
        own = self.adapter()
        if {name: one.shape for name, one in own.items()} != {
            name: one.shape for name, one in matrices.items()
        }:
            raise ValueError("the adapter does not fit the model")
        for name, matrix in own.items():
            matrix.copy_(matrices[name])  # detached: no gradient is recorded
        if starts:
            for layer in self.layers.values():
                if layer.a is not None and layer.b is not None:
                    layer.start = (layer.a.detach().clone(), layer.b.detach().clone())

    def losses(
        self,
        sequences: Sequence[Sequence[int]],
        learned: Sequence[Sequence[bool]],
        *,
        reference: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """For each learned token, in order, its negative log probability, and whether it is the
        likeliest token.
        """
        hidden = self._hidden(sequences, reference)
        rows, targets, start = [], [], 0
        for ids, counts in zip(sequences, learned, strict=True):
            positions = [index for index in range(1, len(ids)) if counts[index]]
            rows += [start + index - 1 for index in positions]
            targets += [ids[index] for index in positions]
            start += len(ids)
        chosen = hidden[torch.tensor(rows, device=self._device)]
        labels = torch.tensor(targets, device=self._device)
        parts = list(zip(chosen.split(_LOGITS), labels.split(_LOGITS), strict=True))
        if len(parts) > 1 and torch.is_grad_enabled():
            scored = [checkpoint(self._score, *part, use_reentrant=False) for part in parts]
        else:
            scored = [self._score(*part) for part in parts]
        return torch.cat([one[0] for one in scored]), torch.cat([one[1] for one in scored])

    def _score(
        self, hidden: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits = F.linear(hidden, self._output.float())
        return F.cross_entropy(logits, labels, reduction="none"), logits.argmax(-1) == labels

    def _hidden(self, sequences: Sequence[Sequence[int]], reference: bool) -> torch.Tensor:
        """The hidden states, of shape (tokens, width): the sequences are end to end, and each sees
        only itself.
        """
        ids = torch.cat([torch.tensor(one) for one in sequences]).to(self._device)
        positions = torch.cat([torch.arange(len(one)) for one in sequences]).to(self._device)
        angles = positions[:, None].float() * self._frequencies
        turn = (angles.cos(), angles.sin())
        mask = None
        if len(sequences) > 1:
            owner = torch.cat([torch.full((len(one),), n) for n, one in enumerate(sequences)])
            mask = ((owner[:, None] == owner) & _lower(len(owner))).to(self._device)
        x = F.embedding(ids, self._embeddings).float()
        for block in range(self.shape.blocks):
            arguments = (x, block, turn, mask, reference)
            if self._recompute and torch.is_grad_enabled():
                x = checkpoint(self._block, *arguments, use_reentrant=False)
            else:
                x = self._block(*arguments)
        return self._norm(x, "output_norm")

    def _block(
        self,
        x: torch.Tensor,
        block: int,
        turn: tuple[torch.Tensor, torch.Tensor],
        mask: torch.Tensor | None,
        reference: bool,
    ) -> torch.Tensor:
        name = f"blk.{block}"

        def layer(part: str, y: torch.Tensor) -> torch.Tensor:
            return self.layers[f"{name}.{part}"](y, reference=reference)

        y = self._norm(x, f"{name}.attn_norm")
        heads = self._attention(
            layer("attn_q", y), layer("attn_k", y), layer("attn_v", y), name, turn, mask
        )
        x = x + layer("attn_output", heads)
        y = self._norm(x, f"{name}.ffn_norm")
        return x + layer("ffn_down", F.silu(layer("ffn_gate", y)) * layer("ffn_up", y))

    def _attention(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        name: str,
        turn: tuple[torch.Tensor, torch.Tensor],
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        shape, tokens = self.shape, len(q)
        q = self._norm(q.view(tokens, shape.heads, -1), f"{name}.attn_q_norm")
        k = self._norm(k.view(tokens, shape.kv_heads, -1), f"{name}.attn_k_norm")
        q, k = (self._rope(one.transpose(0, 1), *turn) for one in (q, k))
        v = v.view(tokens, shape.kv_heads, -1).transpose(0, 1)
        group = shape.heads // shape.kv_heads
        out = F.scaled_dot_product_attention(
            q[None],
            k.repeat_interleave(group, 0)[None],
            v.repeat_interleave(group, 0)[None],
            attn_mask=mask,
            is_causal=mask is None,
        )
        return out[0].transpose(0, 1).reshape(tokens, -1)

    def _rope(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        if self.shape.neighbours:
            u, v = x[..., 0::2], x[..., 1::2]
            return torch.stack((u * cos - v * sin, u * sin + v * cos), -1).flatten(-2)
        u, v = x.chunk(2, -1)
        return torch.cat((u * cos - v * sin, u * sin + v * cos), -1)

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """Normalised; unchanged where the model has no such weights."""
        weight = self._norms.get(f"{name}.weight")
        return x if weight is None else F.rms_norm(x, (x.shape[-1],), weight, self.shape.epsilon)

    def _norm_names(self) -> list[str]:
        parts = ("attn_norm", "ffn_norm", "attn_q_norm", "attn_k_norm")
        blocks = range(self.shape.blocks)
        inner = [f"blk.{block}.{part}.weight" for block in blocks for part in parts]
        return [*inner, "output_norm.weight"]


def _lower(size: int) -> torch.Tensor:
    return torch.ones(size, size, dtype=torch.bool).tril()
