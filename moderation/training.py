"""Training of the heads, with NumPy: two layers, Adam, then calibration and thresholds.

The same texts and embeddings always give the same heads, to the bit.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.texts import LabelledText
from openedai.contract.moderate import CATEGORIES
from openedai.engines.moderation.heads import Heads

HIDDEN = 96
EPOCHS = 30
BATCH = 256
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-3
DROPOUT = 0.3
LABEL_NOISE = 0.02
# One template in so many is for calibration, and is not trained on.
CALIBRATION_SHARE = 6
# A threshold is the lowest probability with this precision on the calibration texts, if that is
# within these bounds.
LEAST_PRECISION = 0.9
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.2, 0.5

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """`vectors` [texts, dimensions]; `truths` and `weights` [texts, categories].

    The weight of what is not known is 0.
    """

    vectors: Array
    truths: Array
    weights: Array

    def __getitem__(self, rows: Any) -> Samples:
        return Samples(self.vectors[rows], self.truths[rows], self.weights[rows])


def samples(texts: Sequence[LabelledText], vectors: NDArray[np.float32]) -> Samples:
    """A text of a template with many texts counts less than one by hand."""
    sizes = Counter(item.group for item in texts)
    importance = np.array([sizes[item.group] ** -0.5 for item in texts])
    known = [[item.labels[name] is not None for name in CATEGORIES] for item in texts]
    truths = [[bool(item.labels[name]) for name in CATEGORIES] for item in texts]
    weights = np.array(known, np.float64) * (importance / importance.mean())[:, None]
    return Samples(vectors.astype(np.float64), np.array(truths, np.float64), weights)


def trained(texts: Sequence[LabelledText], vectors: NDArray[np.float32]) -> Heads:
    """Heads that are trained on most of the texts and calibrated on the others."""
    everything = samples(texts, vectors)
    spared = np.array([_number(item.group) % CALIBRATION_SHARE == 0 for item in texts])
    network = _fitted(everything[~spared])
    others = everything[spared]
    log_odds = network.log_odds(others.vectors)
    scales, shifts, thresholds = [], [], []
    for index in range(len(CATEGORIES)):
        known = others.weights[:, index] > 0
        truths = others.truths[known, index]
        scale, shift = _platt(log_odds[known, index], truths)
        probabilities = 1 / (1 + np.exp(-(log_odds[known, index] * scale + shift)))
        scales.append(scale)
        shifts.append(shift)
        thresholds.append(_threshold(probabilities, truths))
    weight = network.output_weight * np.array(scales)
    bias = network.output_bias * np.array(scales) + np.array(shifts)
    return Heads(
        hidden=(_rounded(network.hidden_weight), network.hidden_bias.astype(np.float32)),
        output=(_rounded(weight), bias.astype(np.float32)),
        thresholds=tuple(thresholds),
    )


@dataclass
class Network:
    hidden_weight: Array
    hidden_bias: Array
    output_weight: Array
    output_bias: Array

    def log_odds(self, vectors: Array) -> Array:
        states = np.maximum(vectors @ self.hidden_weight + self.hidden_bias, 0)
        return np.asarray(states @ self.output_weight + self.output_bias)

    def parameters(self) -> list[Array]:
        return [self.hidden_weight, self.hidden_bias, self.output_weight, self.output_bias]


def _fitted(data: Samples) -> Network:
    chooser = np.random.default_rng(0)
    rows, dimensions = data.vectors.shape
    network = Network(
        hidden_weight=chooser.normal(0, 3 * dimensions**-0.5, (dimensions, HIDDEN)),
        hidden_bias=np.zeros(HIDDEN),
        output_weight=chooser.normal(0, HIDDEN**-0.5, (HIDDEN, len(CATEGORIES))),
        output_bias=np.full(len(CATEGORIES), -2.0),
    )
    adam = Adam(network.parameters(), steps=EPOCHS * -(-rows // BATCH))
    for _ in range(EPOCHS):
        order = chooser.permutation(rows)
        for start in range(0, rows, BATCH):
            part = data[order[start : start + BATCH]]
            kept = (chooser.random((len(part.vectors), HIDDEN)) > DROPOUT) / (1 - DROPOUT)
            adam.step(_gradients(network, part, kept))
    return network


def _gradients(network: Network, part: Samples, kept: Array) -> list[Array]:
    """Of the binary cross-entropy, for each of the network's parameters."""
    before = part.vectors @ network.hidden_weight + network.hidden_bias
    states = np.maximum(before, 0) * kept
    log_odds = states @ network.output_weight + network.output_bias
    truths = part.truths * (1 - LABEL_NOISE) + LABEL_NOISE / 2
    errors = (1 / (1 + np.exp(-log_odds)) - truths) * part.weights / len(part.vectors)
    back = (errors @ network.output_weight.T) * kept * (before > 0)
    return [part.vectors.T @ back, back.sum(0), states.T @ errors, errors.sum(0)]


class Adam:
    """Changes `parameters` in place, with a learning rate that falls to 0 in so many steps."""

    def __init__(self, parameters: list[Array], steps: int) -> None:
        self._parameters = parameters
        self._steps = steps
        self._step = 0
        self._means = [np.zeros_like(one) for one in parameters]
        self._squares = [np.zeros_like(one) for one in parameters]

    def step(self, gradients: list[Array]) -> None:
        self._step += 1
        rate = LEARNING_RATE * (1 - self._step / (self._steps + 1))
        for index, gradient in enumerate(gradients):
            self._means[index] += 0.1 * (gradient - self._means[index])
            self._squares[index] += 0.001 * (gradient**2 - self._squares[index])
            change = self._means[index] / (1 - 0.9**self._step)
            change = change / (np.sqrt(self._squares[index] / (1 - 0.999**self._step)) + 1e-8)
            decay = WEIGHT_DECAY if gradient.ndim == 2 else 0.0
            self._parameters[index] -= rate * (change + decay * self._parameters[index])


def _platt(log_odds: Array, truths: Array) -> tuple[float, float]:
    """The scale and the shift that make log odds those of calibrated probabilities."""
    target = (truths * truths.sum() + 1) / np.where(truths > 0, truths.sum() + 2, 1)
    target = np.where(truths > 0, target, 1 / ((1 - truths).sum() + 2))
    scale, shift = 1.0, 0.0
    for _ in range(100):
        p = 1 / (1 + np.exp(-(log_odds * scale + shift)))
        spread = p * (1 - p)
        gradient = np.array([((p - target) * log_odds).sum(), (p - target).sum()])
        slope = np.array(
            [
                [(spread * log_odds**2).sum() + 1e-2, (spread * log_odds).sum()],
                [(spread * log_odds).sum(), spread.sum() + 1e-2],
            ]
        )
        change = np.linalg.solve(slope, gradient)
        scale, shift = scale - float(change[0]), shift - float(change[1])
    return max(scale, 0.1), shift


def _threshold(probabilities: Array, truths: Array) -> float:
    for threshold in np.arange(LOWEST_THRESHOLD, HIGHEST_THRESHOLD, 0.02):
        flagged = probabilities >= threshold
        if flagged.any() and truths[flagged].mean() >= LEAST_PRECISION:
            return round(float(threshold), 2)
    return HIGHEST_THRESHOLD


def _rounded(weight: Array) -> NDArray[np.float32]:
    """As the file will have them."""
    return weight.astype(np.float16).astype(np.float32)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
