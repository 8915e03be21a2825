"""Writes small GGUF files, such as adapters: metadata, and tensors of 32-bit floats."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from openedai.gguf.header import (
    DEFAULT_ALIGNMENT,
    MAGIC,
    VERSIONS,
    Tensor,
    TensorType,
    encode_tensor,
    round_up,
)

_FLOAT, _STRING = 6, 8  # type numbers of metadata values


def write_gguf(
    path: Path,
    metadata: Mapping[str, str | float],
    tensors: Mapping[str, npt.NDArray[np.float32]],
) -> None:
    """Write a file with this metadata and these tensors, in this order. Raises OSError."""
    described, offset = [], 0
    for name, weights in tensors.items():
        tensor = Tensor(name, weights.shape[::-1], TensorType.F32, offset)
        described.append(tensor)
        offset = round_up(offset + tensor.size, DEFAULT_ALIGNMENT)
    header = MAGIC + struct.pack("<IQQ", VERSIONS[-1], len(tensors), len(metadata))
    header += b"".join(_text(key) + _value(value) for key, value in metadata.items())
    header += b"".join(map(encode_tensor, described))
    with path.open("wb") as file:
        file.write(_padded(header))
        for weights in tensors.values():
            file.write(_padded(np.ascontiguousarray(weights, np.float32).tobytes()))


def _value(value: str | float) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    return struct.pack("<If", _FLOAT, value)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % DEFAULT_ALIGNMENT)
