"""A tiny ModernBERT of random weights, and what it computes, from the paper's formulas in numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LAYERS, HEADS, WINDOW = 2, 2, 4
EPSILON = 1e-5
THETAS = (160_000.0, 100.0)  # of the first layer, which sees everything, and of the second


def config(vocabulary: int, hidden: int, inner: int, positions: int, pad: int) -> dict[str, Any]:
    return {
        "model_type": "modernbert",
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "max_position_embeddings": positions,
        "pad_token_id": pad,
        "norm_eps": EPSILON,
        "local_attention": 2 * WINDOW,
        "global_rope_theta": THETAS[0],
        "local_rope_theta": THETAS[1],
    }


def tensors(vocabulary: int, hidden: int, inner: int) -> dict[str, Array]:
    random = np.random.default_rng(11)
    made: dict[str, Array] = {
        "embeddings.tok_embeddings.weight": random.normal(0, 1, (vocabulary, hidden)),
        "embeddings.norm.weight": random.normal(1, 0.2, hidden),
        "final_norm.weight": random.normal(1, 0.2, hidden),
    }
    for index in range(LAYERS):
        at = f"layers.{index}"
        if index:
            made[f"{at}.attn_norm.weight"] = random.normal(1, 0.2, hidden)
        made[f"{at}.attn.Wqkv.weight"] = random.normal(0, 0.3, (3 * hidden, hidden))
        made[f"{at}.attn.Wo.weight"] = random.normal(0, 0.3, (hidden, hidden))
        made[f"{at}.mlp_norm.weight"] = random.normal(1, 0.2, hidden)
        made[f"{at}.mlp.Wi.weight"] = random.normal(0, 0.3, (2 * inner, hidden))
        made[f"{at}.mlp.Wo.weight"] = random.normal(0, 0.3, (hidden, inner))
    return made


def states(tensors: Mapping[str, Array], ids: Array, mask: Array) -> Array:
    """The last hidden states: [batch, sequence, hidden]."""

    def norm(state: Array, name: str) -> Array:
        return normed(state, tensors[f"{name}.weight"])

    state = norm(tensors["embeddings.tok_embeddings.weight"][ids], "embeddings.norm")
    places = np.arange(ids.shape[1])
    near = np.abs(places[:, None] - places[None, :]) <= WINDOW
    for index in range(LAYERS):
        at = f"layers.{index}"
        visible = np.broadcast_to(mask[:, None, None, :] == 1, (*ids.shape[:1], 1, *near.shape))
        if index % 3:
            visible = visible & (near | ~(mask[:, None, :, None] == 1))
        given = norm(state, f"{at}.attn_norm") if index else state
        joined = given @ tensors[f"{at}.attn.Wqkv.weight"].T
        query, key, value = (_by_head(part) for part in np.split(joined, 3, axis=-1))
        query, key = (_rotated(part, THETAS[min(index, 1)]) for part in (query, key))
        scores = query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1])
        scores = np.where(visible, scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (weights / weights.sum(-1, keepdims=True)) @ value
        mixed = mixed.swapaxes(1, 2).reshape(state.shape)
        state = state + mixed @ tensors[f"{at}.attn.Wo.weight"].T
        both = norm(state, f"{at}.mlp_norm") @ tensors[f"{at}.mlp.Wi.weight"].T
        inner, gate = np.split(both, 2, axis=-1)
        state = state + (gelu(inner) * gate) @ tensors[f"{at}.mlp.Wo.weight"].T
    return norm(state, "final_norm")


def normed(state: Array, weight: Array) -> Array:
    centred = state - state.mean(-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON) * weight)


def gelu(state: Array) -> Array:
    return np.asarray(state * 0.5 * (1 + np.vectorize(math.erf)(state / math.sqrt(2))))


def _by_head(state: Array) -> Array:
    return state.reshape(*state.shape[:2], HEADS, -1).swapaxes(1, 2)


def _rotated(state: Array, theta: float) -> Array:
    """Each pair of the halves of a head, as a complex number, turned by its place."""
    half = state.shape[-1] // 2
    speeds = theta ** (-np.arange(half) / half)
    turns = np.exp(1j * np.arange(state.shape[-2])[:, None] * speeds)
    turned = (state[..., :half] + 1j * state[..., half:]) * turns
    return np.concatenate([turned.real, turned.imag], axis=-1)
