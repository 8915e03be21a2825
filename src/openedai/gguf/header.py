"""Reads the part of a GGUF file before the data of its tensors.

The layout, all of it little-endian: the magic bytes, the version, the number of tensors and the
number of metadata pairs; then the pairs, each a key, the type of the value and the value; then one
description per tensor. A string is its length in bytes and its bytes. An array is the type of its
items, their number and the items.

Arrays are skipped: those of a large vocabulary have hundreds of thousands of items, and nothing
here needs them.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO

MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32
MAX_ALIGNMENT = 1 << 16
MAX_DIMENSIONS = 4

_UINT32, _UINT64 = struct.Struct("<I"), struct.Struct("<Q")
_STRING, _ARRAY = 8, 9  # type numbers of metadata values
_INTEGERS = {
    number: struct.Struct(layout)
    for number, layout in {
        0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 10: "<Q", 11: "<q",
    }.items()
}  # fmt: skip
_FLOATS = {6: struct.Struct("<f"), 12: struct.Struct("<d")}
# Bytes of a value, by type number: integers, float32, bool and float64.
_SIZES = {number: integer.size for number, integer in _INTEGERS.items()} | {6: 4, 7: 1, 12: 8}


class TensorType(IntEnum):
    """The types of weights in tensors on disk, by their numbers in the file."""

    F32 = 0
    F16 = 1
    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    Q2_K = 10
    Q3_K = 11
    Q4_K = 12
    Q5_K = 13
    Q6_K = 14
    IQ4_NL = 20
    IQ4_XS = 23
    BF16 = 30
    MXFP4 = 39

    @property
    def weights_per_block(self) -> int:
        return _BLOCKS[self][0]

    @property
    def bytes_per_block(self) -> int:
        return _BLOCKS[self][1]

    def row_bytes(self, weights: int) -> int:
        """The bytes of a row with that many weights. Raises ValueError if blocks do not fill it."""
        blocks, rest = divmod(weights, self.weights_per_block)
        if rest:
            raise ValueError(f"a row of {weights} weights is no whole number of {self.name} blocks")
        return blocks * self.bytes_per_block


# Weights and bytes of a block.
_BLOCKS = {
    TensorType.F32: (1, 4),
    TensorType.F16: (1, 2),
    TensorType.BF16: (1, 2),
    TensorType.Q4_0: (32, 18),
    TensorType.Q4_1: (32, 20),
    TensorType.Q5_0: (32, 22),
    TensorType.Q5_1: (32, 24),
    TensorType.Q8_0: (32, 34),
    TensorType.Q2_K: (256, 84),
    TensorType.Q3_K: (256, 110),
    TensorType.Q4_K: (256, 144),
    TensorType.Q5_K: (256, 176),
    TensorType.Q6_K: (256, 210),
    TensorType.IQ4_NL: (32, 18),
    TensorType.IQ4_XS: (256, 136),
    TensorType.MXFP4: (32, 17),
}


@dataclass(frozen=True)
class Tensor:
    """`shape` begins with the length of a row. `offset` is in bytes from the first tensor data."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int

    @property
    def rows(self) -> int:
        return prod(self.shape[1:])

    @property
    def weights(self) -> int:
        return prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes of its data."""
        return self.type.row_bytes(self.shape[0]) * self.rows


def most_common_type(tensors: Iterable[Tensor]) -> TensorType | None:
    """The type of most weights; None without tensors."""
    weights: Counter[TensorType] = Counter()
    for tensor in tensors:
        weights[tensor.type] += tensor.weights
    return weights.most_common(1)[0][0] if weights else None


@dataclass(frozen=True)
class Integer:
    """An integer of the metadata: its value, its offset in the file and its layout there."""

    value: int
    offset: int
    layout: struct.Struct


@dataclass(frozen=True)
class Metadata:
    """`raw` is the file from its start to the first tensor description.

    `integers`, `floats` and `strings` are the values of these types by key; other types are only
    in `raw`.
    """

    raw: bytes
    integers: Mapping[str, Integer]
    floats: Mapping[str, float]
    strings: Mapping[str, str]

    @property
    def alignment(self) -> int:
        """The data of each tensor begins at a multiple of this, in bytes.

        Raises ValueError if it is out of range.
        """
        integer = self.integers.get("general.alignment")
        alignment = integer.value if integer else DEFAULT_ALIGNMENT
        if not 1 <= alignment <= MAX_ALIGNMENT:
            raise ValueError(f"an alignment of {alignment} bytes cannot be")
        return alignment

    @property
    def file_count(self) -> int:
        """The number of files that the model is split into."""
        count = self.integers.get("split.count")
        return max(1, count.value) if count else 1


@dataclass(frozen=True)
class Header:
    """`data_offset` is where the tensors' data begin, in bytes from the start of the file."""

    metadata: Metadata
    tensors: tuple[Tensor, ...]
    data_offset: int


def read_metadata(path: Path) -> Metadata:
    """The metadata of the file at `path`, whatever its tensors are.

    Raises OSError, and ValueError for a file that is not GGUF or is damaged.
    """
    with path.open("rb") as file, _mapped(file) as data:
        return _Reader(data).metadata()


def read_header(path: Path) -> Header:
    """The header of the file at `path`. Raises as `read_metadata`, and ValueError for a tensor type
    that is not supported.
    """
    with path.open("rb") as file, _mapped(file) as data:
        return parse_header(data)


def parse_header(data: bytes | mmap) -> Header:
    """The header of a file whose content is `data`. Raises ValueError as `read_header`."""
    reader = _Reader(data)
    metadata = reader.metadata()
    tensors = tuple(reader.tensor() for _ in range(reader.tensor_count))
    return Header(metadata, tensors, round_up(reader.offset, metadata.alignment))


def encode_tensor(tensor: Tensor) -> bytes:
    """The description of a tensor as it is in a header."""
    name = tensor.name.encode()
    shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
    type_and_offset = struct.pack("<IQ", tensor.type, tensor.offset)
    return struct.pack("<Q", len(name)) + name + shape + type_and_offset


def round_up(size: int, multiple: int) -> int:
    """`size` rounded up to the next multiple of `multiple`."""
    return -(-size // multiple) * multiple


def _mapped(file: BinaryIO) -> mmap:
    """Raises ValueError for an empty file, which cannot be mapped."""
    if not file.read(1):
        raise ValueError("it ends too early")
    return mmap(file.fileno(), 0, access=ACCESS_READ)


class _Reader:
    """Reads the header from `offset` on. Everything raises ValueError where the data end."""

    def __init__(self, data: bytes | mmap) -> None:
        self._data = data
        self.offset = 0
        self.tensor_count = 0

    def metadata(self) -> Metadata:
        """Read all that comes before the descriptions of the tensors."""
        if self._bytes(len(MAGIC)) != MAGIC:
            raise ValueError("it does not begin with GGUF")
        version = self._integer(_UINT32)
        if version not in VERSIONS:
            raise ValueError(f"its version of the format, {version}, is not known")
        self.tensor_count = self._integer(_UINT64)
        integers: dict[str, Integer] = {}
        floats: dict[str, float] = {}
        strings: dict[str, str] = {}
        for _ in range(self._integer(_UINT64)):
            key = self._text()
            value_type = self._integer(_UINT32)
            if value_type in _INTEGERS:
                layout, offset = _INTEGERS[value_type], self.offset
                integers[key] = Integer(self._integer(layout), offset, layout)
            elif value_type in _FLOATS:
                (floats[key],) = _FLOATS[value_type].unpack(self._bytes(_SIZES[value_type]))
            elif value_type == _STRING:
                strings[key] = self._text()
            else:
                self._skip_value(value_type)
        return Metadata(bytes(self._data[: self.offset]), integers, floats, strings)

    def tensor(self) -> Tensor:
        """Read the description of a tensor."""
        name = self._bytes(self._integer(_UINT64)).decode()
        dimensions = self._integer(_UINT32)
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise ValueError(f"the tensor {name!r} has {dimensions} dimensions")
        shape = tuple(self._integer(_UINT64) for _ in range(dimensions))
        if 0 in shape:
            raise ValueError(f"the tensor {name!r} has no weights")
        number = self._integer(_UINT32)
        try:
            tensor_type = TensorType(number)
        except ValueError:
            raise ValueError(f"the tensor {name!r} has a type, {number}, not known here") from None
        return Tensor(name, shape, tensor_type, self._integer(_UINT64))

    def _skip(self, size: int) -> int:
        """Skip that many bytes; returns the offset at which they begin."""
        start = self.offset
        self.offset += size
        if self.offset > len(self._data):
            raise ValueError("it ends too early")
        return start

    def _bytes(self, size: int) -> bytes:
        start = self._skip(size)
        return self._data[start : self.offset]

    def _integer(self, layout: struct.Struct) -> int:
        (value,) = layout.unpack_from(self._data, self._skip(layout.size))
        return int(value)

    def _text(self) -> str:
        """Read a string; what is not valid UTF-8 in it is replaced."""
        return self._bytes(self._integer(_UINT64)).decode("utf-8", "replace")

    def _skip_value(self, value_type: int) -> None:
        if value_type != _ARRAY:
            self._skip(_value_size(value_type))
            return
        item_type, count = self._integer(_UINT32), self._integer(_UINT64)
        if item_type == _STRING:
            self._skip_strings(count)
        else:
            self._skip(_value_size(item_type) * count)

    def _skip_strings(self, count: int) -> None:
        """Skip strings, in a loop without method calls because a vocabulary has hundreds of
        thousands.
        """
        data, end, length_at = self._data, self.offset, _UINT64.unpack_from
        try:
            for _ in range(count):
                end += 8 + length_at(data, end)[0]
        except (struct.error, OverflowError):
            raise ValueError("it ends too early") from None
        self._skip(end - self.offset)


def _value_size(value_type: int) -> int:
    """Bytes of a value of a type of fixed size. Raises ValueError for any other type."""
    if value_type not in _SIZES:
        raise ValueError(f"a value has a type, {value_type}, not known here")
    return _SIZES[value_type]
