"""Encoded blocks against the decoders of the `gguf` package, and against their resolution."""

from __future__ import annotations

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import quantize
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from openedai.gguf.blocks import Weights, decode, encode
from openedai.gguf.header import TensorType

ENCODED_TYPES = (TensorType.Q8_0, TensorType.Q4_K, TensorType.IQ4_NL)


def weights(length: int) -> st.SearchStrategy[Weights]:
    """Two rows of weights of a realistic size: scales below 6e-5 lose bits as half floats."""
    size = st.floats(0.0078125, 4, width=32)
    element = st.just(0.0) | size | size.map(lambda value: -value)
    return arrays.arrays(np.float32, (2, length), elements=element)


def normal(rows: int, length: int) -> Weights:
    return np.asarray(np.random.default_rng(2).normal(0, 0.05, (rows, length)), np.float32)


def block_maxima(weights: Weights, block: int) -> Weights:
    return np.asarray(np.abs(weights).reshape(-1, block).max(axis=1), np.float32)


@pytest.mark.parametrize("type", ENCODED_TYPES)
def test_the_shape_of_blocks(type: TensorType) -> None:
    blocks = encode(normal(6, 512), type)
    assert blocks.dtype == np.uint8
    assert blocks.shape == (6, type.row_bytes(512))


@given(weights(64))
def test_the_error_of_q8_0_is_at_most_half_a_step(given: Weights) -> None:
    error = block_maxima(decode(encode(given, TensorType.Q8_0), TensorType.Q8_0) - given, 32)
    assert (error <= block_maxima(given, 32) / 127 * 0.51 + block_maxima(given, 32) / 1024).all()


@given(weights(64))
def test_the_error_of_iq4_nl_is_below_a_quarter_of_the_largest_weight(given: Weights) -> None:
    error = block_maxima(decode(encode(given, TensorType.IQ4_NL), TensorType.IQ4_NL) - given, 32)
    assert (error <= block_maxima(given, 32) / 4).all()


@given(weights(256))
def test_the_error_of_q4_k_is_small_for_the_range_of_the_widest_group(given: Weights) -> None:
    error = block_maxima(decode(encode(given, TensorType.Q4_K), TensorType.Q4_K) - given, 256)
    groups = given.reshape(-1, 8, 32)
    width = (groups.max(axis=2).clip(0) - groups.min(axis=2).clip(max=0)).max(axis=1)
    assert (error <= width * (1 / 30 + 2 / 63)).all()


@pytest.mark.parametrize("type", ENCODED_TYPES)
@pytest.mark.parametrize("value", [0.0, 1e-9, -0.25, 3.0])
def test_equal_weights_and_zeros(type: TensorType, value: float) -> None:
    given = np.full((2, 256), value, np.float32)
    assert decode(encode(given, type), type) == pytest.approx(given, rel=0.02, abs=1e-6)


def test_requantising_q4_1_adds_little_error() -> None:
    blocks = quantize(normal(32, 512), GGMLQuantizationType.Q4_1)
    given = decode(blocks, TensorType.Q4_1)
    added = {
        type: float(np.square(decode(encode(given, type), type) - given).mean())
        for type in ENCODED_TYPES
    }
    before = float(np.square(given - normal(32, 512)).mean())
    assert added[TensorType.Q8_0] < 0.01 * before
    assert added[TensorType.Q4_K] < 0.2 * before
    assert added[TensorType.IQ4_NL] < 1.1 * before


def test_the_error_of_iq4_nl_is_less_than_that_of_q4_0() -> None:
    given = normal(64, 512)
    plain = decode(quantize(given, GGMLQuantizationType.Q4_0), TensorType.Q4_0)
    ours = decode(encode(given, TensorType.IQ4_NL), TensorType.IQ4_NL)
    assert np.square(ours - given).mean() < 0.9 * np.square(plain - given).mean()


def test_types_that_are_not_encoded() -> None:
    with pytest.raises(ValueError, match="not written as Q6_K"):
        encode(normal(1, 256), TensorType.Q6_K)
