"""Encodes weights as blocks of few bits, and decodes them, in the layouts of GGUF files.

Arrays of weights are float32 of shape (rows, weights), arrays of blocks uint8 of shape
(rows, bytes). A row is a whole number of blocks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from openedai.gguf.header import TensorType

Weights = npt.NDArray[np.float32]
Blocks = npt.NDArray[np.uint8]

# The sixteen values of IQ4_NL, dense around zero, and the index of the nearest one to each of the
# integers from -128 to 127.
_LEVELS = np.array(
    (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113), np.float32
)
_NEAREST = np.abs(np.arange(-128, 128)[:, None] - _LEVELS).argmin(axis=1).astype(np.uint8)
# Scales to try for a block, relative to the one at which its largest weight becomes the lowest of
# the sixteen values.
_RELATIVE_SCALES = tuple(sign * size for sign in (1, -1) for size in (0.85, 0.9, 0.95, 1, 1.05))


def decode(blocks: Blocks, type: TensorType) -> Weights:
    """The weights, of shape (rows, weights), that are in blocks of shape (rows, bytes)."""
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    return np.asarray(dequantize(blocks, GGMLQuantizationType(type)), np.float32)


def encode(weights: Weights, type: TensorType) -> Blocks:
    """The blocks, of shape (rows, bytes), for weights of shape (rows, weights).

    Raises ValueError for a type that can only be decoded.
    """
    encoders = {
        TensorType.Q8_0: _encode_q8_0,
        TensorType.Q4_K: _encode_q4_k,
        TensorType.IQ4_NL: _encode_iq4_nl,
    }
    if type not in encoders:
        raise ValueError(f"weights are not written as {type.name}")
    blocks = encoders[type](weights.reshape(-1, type.weights_per_block))
    return blocks.reshape(len(weights), -1)


def _encode_q8_0(weights: Weights) -> Blocks:
    """A scale and 32 signed bytes, rounded for the scale as it is stored.

    `gguf.quants.quantize` rounds them for the exact scale, which loses more.
    """
    scale = (np.abs(weights).max(axis=1, keepdims=True) / 127).astype(np.float16)
    numbers = np.rint(_ratio(weights, scale)).clip(-127, 127).astype(np.int8)
    return np.concatenate((scale.view(np.uint8), numbers.view(np.uint8)), axis=1)


def _encode_q4_k(weights: Weights) -> Blocks:
    """Eight groups of 32 numbers from 0 to 15, each with a scale and an offset below zero.

    The scales and the offsets are six-bit numbers, times one scale for all groups.
    """
    groups = weights.reshape(-1, 8, 32)
    lowest = np.minimum(groups.min(axis=2), 0)
    scale, scales = _six_bits((groups.max(axis=2) - lowest).clip(0) / 15)
    offset, offsets = _six_bits(-lowest)
    steps = (scale.astype(np.float32) * scales)[:, :, None]
    shifted = groups + (offset.astype(np.float32) * offsets)[:, :, None]
    numbers = np.rint(_ratio(shifted, steps)).clip(0, 15).astype(np.uint8).reshape(-1, 4, 2, 32)
    return np.concatenate(
        (
            scale.view(np.uint8),
            offset.view(np.uint8),
            scales[:, :4] | (scales[:, 4:] >> 4 << 6),
            offsets[:, :4] | (offsets[:, 4:] >> 4 << 6),
            (scales[:, 4:] & 15) | (offsets[:, 4:] & 15) << 4,
            (numbers[:, :, 0] | numbers[:, :, 1] << 4).reshape(-1, 128),
        ),
        axis=1,
    )


def _six_bits(values: Weights) -> tuple[npt.NDArray[np.float16], Blocks]:
    """A scale of shape (n, 1) and numbers below 64, for values of at least 0 of shape (n, 8)."""
    scale = (values.max(axis=1, keepdims=True) / 63).astype(np.float16)
    return scale, np.rint(_ratio(values, scale)).clip(0, 63).astype(np.uint8)


def _encode_iq4_nl(weights: Weights) -> Blocks:
    """A scale and 32 indices of the sixteen values. The scale has the least error of several."""
    largest = np.abs(weights).argmax(axis=1, keepdims=True)
    peak = np.take_along_axis(weights, largest, axis=1)
    best = np.full_like(peak, -1)
    scale = np.zeros_like(peak)
    for relative in _RELATIVE_SCALES:
        values = _LEVELS[_nearest(weights, peak / np.float32(_LEVELS[0] * relative))]
        product = (weights * values).sum(axis=1, keepdims=True)
        square = (values * values).sum(axis=1, keepdims=True)
        # How much the scale that suits these values best, product / square, reduces the error.
        gain = product * product / square
        scale = np.where(gain > best, product / square, scale)
        best = np.maximum(gain, best)
    rounded = scale.astype(np.float16)
    numbers = _nearest(weights, rounded.astype(np.float32))
    return np.concatenate((rounded.view(np.uint8), numbers[:, :16] | numbers[:, 16:] << 4), axis=1)


def _nearest(weights: Weights, scale: Weights) -> Blocks:
    """The index of the value of the sixteen that, times the scale, is nearest to each weight."""
    whole = np.rint(_ratio(weights, scale)).clip(-128, 127).astype(np.int16)
    return np.take(_NEAREST, whole + 128)


def _ratio(numerator: Weights, denominator: npt.NDArray[np.floating]) -> Weights:
    """numerator / denominator; zero where the denominator is zero."""
    divisor = denominator.astype(np.float32)
    inverse = np.divide(1, divisor, out=np.zeros_like(divisor), where=divisor != 0)
    return np.asarray(numerator * inverse, np.float32)
