"""Converts weights from types that this processor computes slowly to types that it computes fast.

Only tensors whose type has no fast kernel change, and only to types that have one. Everything else
in the file, tokenizer and chat template included, stays as it is, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from openedai.config import WeightFormat
from openedai.errors import Unavailable
from openedai.gguf.header import (
    Header,
    Tensor,
    TensorType,
    encode_tensor,
    most_common_type,
    read_header,
    round_up,
)
from openedai.weights.disk import FreeSpace, require_space
from openedai.weights.progress import Progress

if TYPE_CHECKING:
    from openedai.gguf.blocks import Blocks

# Increased whenever the same weight format yields other bytes.
VERSION = 1

# Types of 4 to 7 bits. Smaller ones would grow to twice their size or more.
_CONVERTIBLE = frozenset(
    {
        TensorType.Q4_1,
        TensorType.Q5_0,
        TensorType.Q5_1,
        TensorType.Q5_K,
        TensorType.Q6_K,
        TensorType.IQ4_XS,
    }
)
# Four bits and an offset: Q4_K stores the same with fewer bits for scales and offsets.
_LIKE_Q4_K = frozenset({TensorType.Q4_1})
# The tensors of a layer whose rounding costs the least perplexity for the time it saves.
_ROBUST = ("ffn_gate.weight",)

# The value of `general.file_type` for a file whose weights are mostly of this type.
_FILE_TYPES = {
    TensorType.F32: 0,
    TensorType.F16: 1,
    TensorType.Q4_0: 2,
    TensorType.Q4_1: 3,
    TensorType.Q8_0: 7,
    TensorType.Q5_0: 8,
    TensorType.Q5_1: 9,
    TensorType.Q2_K: 10,
    TensorType.Q3_K: 12,
    TensorType.Q4_K: 15,
    TensorType.Q5_K: 17,
    TensorType.Q6_K: 18,
    TensorType.IQ4_NL: 25,
    TensorType.IQ4_XS: 30,
    TensorType.BF16: 32,
    TensorType.MXFP4: 38,
}
_CHUNK_WEIGHTS = 1 << 20  # in memory at once


@dataclass(frozen=True)
class Change:
    """One tensor before and after; equal if it does not change."""

    old: Tensor
    new: Tensor


def plan(
    header: Header, weight_format: WeightFormat, fast: frozenset[TensorType]
) -> tuple[Change, ...]:
    """The change of each tensor to the weight format, on a processor with these `fast` types."""
    # Embeddings are looked up, not multiplied, unless they are the output's weights too.
    tied = all(tensor.name != "output.weight" for tensor in header.tensors)
    changes, offset = [], 0
    for tensor in header.tensors:
        multiplied = tied or tensor.name != "token_embd.weight"
        type = _target(tensor, weight_format, fast) if multiplied else tensor.type
        new = replace(tensor, type=type, offset=offset)
        changes.append(Change(tensor, new))
        offset += round_up(new.size, header.metadata.alignment)
    return tuple(changes)


def slow_share(path: Path, fast: frozenset[TensorType]) -> float:
    """The share of the weights, from 0 to 1, that requantising would make faster.

    0 for a file that is not a valid GGUF file. Raises OSError.
    """
    try:
        header = read_header(path)
    except ValueError:
        return 0.0
    weights = sum(tensor.weights for tensor in header.tensors)
    changes = plan(header, "q8_0", fast)
    slow = sum(change.old.weights for change in changes if change.old.type != change.new.type)
    return slow / weights if weights else 0.0


def _target(tensor: Tensor, weight_format: WeightFormat, fast: frozenset[TensorType]) -> TensorType:
    slow = tensor.type in _CONVERTIBLE - fast
    if weight_format == "none" or not slow:
        return tensor.type
    candidates = [TensorType.Q8_0]
    if tensor.type in _LIKE_Q4_K and tensor.shape[0] % 256 == 0:
        candidates.insert(0, TensorType.Q4_K)
    elif weight_format == "mixed" and tensor.name.endswith(_ROBUST):
        candidates.insert(0, TensorType.IQ4_NL)
    return next((type for type in candidates if type in fast), tensor.type)


def requantise(
    source: Path,
    target: Path,
    weight_format: WeightFormat,
    fast: frozenset[TensorType],
    progress: Progress,
    free: FreeSpace,
) -> bool:
    """Write the weights at `source` to `target`, in the weight format. Returns False, and writes
    no file, if no tensor changes.

    Raises Unavailable for a file that is not a complete GGUF file, and for a full disk; OSError.
    """
    try:
        header = read_header(source)
        changes = plan(header, weight_format, fast)
        if header.metadata.file_count > 1:
            raise ValueError("it is one of several parts of a model")
        if all(change.old.type == change.new.type for change in changes):
            return False
        size = sum(round_up(change.new.size, header.metadata.alignment) for change in changes)
        require_space(target.parent, size + header.data_offset, free)
        progress.start(f"Requantising {source.name}", size)
        with source.open("rb") as file, target.open("wb") as out:
            _write(file, header, changes, out, progress)
    except ValueError as error:
        raise Unavailable(f"{source.name} cannot be requantised: {error}.") from error
    return True


def _write(
    file: BinaryIO, header: Header, changes: tuple[Change, ...], out: BinaryIO, progress: Progress
) -> None:
    out.write(_metadata(header, changes))
    for change in changes:
        out.write(encode_tensor(change.new))
    _pad(out, header.metadata.alignment)
    for change in changes:
        file.seek(header.data_offset + change.old.offset)
        for chunk in _chunks(file, change):
            out.write(chunk)
            progress.advance(len(chunk))
        _pad(out, header.metadata.alignment)


def _chunks(file: BinaryIO, change: Change) -> Iterator[bytes]:
    """The new data of a tensor, some rows at a time. Raises ValueError if the file is too short."""
    old, new = change.old, change.new
    row = old.type.row_bytes(old.shape[0])
    step = max(1, _CHUNK_WEIGHTS // old.shape[0])
    for first in range(0, old.rows, step):
        size = min(step, old.rows - first) * row
        data = file.read(size)
        if len(data) != size:
            raise ValueError("it ends too early")
        yield data if old.type == new.type else _converted(data, row, old.type, new.type)


def _converted(data: bytes, row: int, old: TensorType, new: TensorType) -> bytes:
    import numpy as np

    from openedai.gguf import blocks

    encoded: Blocks = np.frombuffer(data, np.uint8).reshape(-1, row)
    return blocks.encode(blocks.decode(encoded, old), new).tobytes()


def _metadata(header: Header, changes: tuple[Change, ...]) -> bytes:
    """The old metadata with the new value of `general.file_type`, the type of most weights."""
    raw = bytearray(header.metadata.raw)
    file_type = header.metadata.integers.get("general.file_type")
    weight_type = most_common_type(change.new for change in changes)
    if file_type is not None and weight_type is not None:
        file_type.layout.pack_into(raw, file_type.offset, _FILE_TYPES[weight_type])
    return bytes(raw)


def _pad(out: BinaryIO, step: int) -> None:
    out.write(bytes(round_up(out.tell(), step) - out.tell()))
