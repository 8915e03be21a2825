"""What a GGUF file says before the data of its tensors.

The metadata (tokenizer, chat template and the rest) is kept as the bytes that it is: a model of
a large vocabulary has hundreds of thousands of values there, and nobody here needs them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from typing import BinaryIO

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32
MAX_ALIGNMENT = 1 << 16
MAX_DIMENSIONS = 4

_STRING, _ARRAY = 8, 9
# Integers and the others of fixed size, by the number of their type.
_INTEGERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 10: "<Q", 11: "<q"}
_SIZES = {number: struct.calcsize(form) for number, form in _INTEGERS.items()} | {6: 4, 7: 1, 12: 8}


class TensorType(IntEnum):
    """The types of tensors that models on disk have, by their numbers in the file."""

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
    def block(self) -> tuple[int, int]:
        """Weights in a block, and its bytes."""
        return _BLOCKS[self]

    def row_bytes(self, weights: int) -> int:
        """Raises ValueError if blocks do not fill a row of so many weights."""
        length, size = self.block
        if weights % length:
            raise ValueError(f"a row of {weights} weights is no whole number of {self.name} blocks")
        return weights // length * size


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
    """`shape` begins with the length of a row; `offset` is in bytes, from the first tensor's."""

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


@dataclass(frozen=True)
class Integer:
    """A whole number of the metadata; `at` is where in the file it stands, in the form `form`."""

    value: int
    at: int
    form: str


@dataclass(frozen=True)
class Header:
    """`metadata` is the file up to the descriptions of the tensors; `data_at` where data begin."""

    metadata: bytes
    integers: Mapping[str, Integer]
    tensors: tuple[Tensor, ...]
    data_at: int

    @property
    def alignment(self) -> int:
        return alignment(self.integers)

    @property
    def parts(self) -> int:
        """How many files the model is split into."""
        found = self.integers.get("split.count")
        return max(1, found.value) if found else 1


def alignment(integers: Mapping[str, Integer]) -> int:
    """Bytes that each tensor's data begin at a multiple of. Raises ValueError."""
    found = integers.get("general.alignment")
    value = found.value if found else ALIGNMENT
    if not 1 <= value <= MAX_ALIGNMENT:
        raise ValueError(f"an alignment of {value} bytes cannot be")
    return value


def padded(size: int, step: int) -> int:
    """`size` up to the next multiple of `step`."""
    return -(-size // step) * step


def read_header(file: BinaryIO) -> Header:
    """Read a file from its start. Raises ValueError for what is no GGUF file or none known here."""
    reader = _Reader(file)
    if reader.take(4) != MAGIC:
        raise ValueError("it does not begin with GGUF")
    version = reader.number("<I")
    if version not in VERSIONS:
        raise ValueError(f"its version of the format, {version}, is not known")
    tensors, pairs = reader.number("<Q"), reader.number("<Q")
    integers: dict[str, Integer] = {}
    for _ in range(pairs):
        name = reader.string()
        found = reader.value()
        if found is not None:
            integers[name] = found
    end = file.tell()
    described = tuple(reader.tensor() for _ in range(tensors))
    data_at = padded(file.tell(), alignment(integers))
    file.seek(0)
    return Header(file.read(end), integers, described, data_at)


def describe(tensor: Tensor) -> bytes:
    """A tensor as the header has it."""
    name = tensor.name.encode()
    shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
    place = struct.pack("<IQ", tensor.type, tensor.offset)
    return struct.pack("<Q", len(name)) + name + shape + place


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def take(self, size: int) -> bytes:
        data = self._file.read(size) if size < 1 << 31 else b""
        if len(data) != size:
            raise ValueError("it ends too early")
        return data

    def number(self, form: str) -> int:
        value: int
        (value,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return value

    def string(self) -> str:
        return self.take(self.number("<Q")).decode()

    def value(self) -> Integer | None:
        """Read one value of the metadata; what is no whole number is skipped."""
        kind = self.number("<I")
        if kind in _INTEGERS:
            at = self._file.tell()
            return Integer(self.number(_INTEGERS[kind]), at, _INTEGERS[kind])
        if kind == _ARRAY:
            self._skip(self.number("<I"), self.number("<Q"))
        else:
            self._skip(kind, 1)
        return None

    def tensor(self) -> Tensor:
        name = self.string()
        dimensions = self.number("<I")
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise ValueError(f"the tensor {name!r} has {dimensions} dimensions")
        shape = tuple(self.number("<Q") for _ in range(dimensions))
        if 0 in shape:
            raise ValueError(f"the tensor {name!r} has no weights")
        kind = self.number("<I")
        try:
            known = TensorType(kind)
        except ValueError:
            raise ValueError(f"the tensor {name!r} has a type, {kind}, not known here") from None
        return Tensor(name, shape, known, self.number("<Q"))

    def _skip(self, kind: int, count: int) -> None:
        if kind == _STRING:
            for _ in range(count):
                self.take(self.number("<Q"))
        elif kind in _SIZES:
            self.take(_SIZES[kind] * count)
        else:
            raise ValueError(f"a value has a type, {kind}, not known here")
