"""The values in the saved state of a sequence, by token or by dimension.

With flash attention, llama.cpp keeps the attention's values by token; without, transposed. It
cannot read one layout as the other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap

_F16 = 1
_HEADER = struct.Struct("<3I")  # two fixed ones, and the number of streams
_U32 = struct.Struct("<I")
_CELL = struct.Struct("<iI")  # its position, and the number of sequences that it is in
_KIND = struct.Struct("<2IQ")  # whether the values are transposed, the number of layers, and 0
_ROWS = struct.Struct("<iQ")  # a type, and the bytes of a row
_COLUMNS = struct.Struct("<i2I")  # a type, the bytes of an element, and the number of dimensions


def with_values(state: memoryview, *, transposed: bool, unified: bool = False) -> memoryview:
    """The same state with its values in the requested layout, in writable memory; `unified` is for
    a cache that all sequences share. Raises ValueError if it is not the state of a plain cache with
    16-bit values.
    """
    parts = [*_parts(_Reader(state), transposed, unified)]
    pages = mmap(-1, len(state))
    for part in parts:
        pages.write(part)
    return memoryview(pages)[: pages.tell()]


class _Reader:
    def __init__(self, state: memoryview) -> None:
        self._state = state
        self.position = 0

    def take(self, size: int) -> memoryview:
        part = self._state[self.position : self.position + size]
        if len(part) < size:
            raise ValueError("a state that ends early")
        self.position += size
        return part

    def read(self, form: struct.Struct) -> tuple[int, ...]:
        return form.unpack(self.take(form.size))

    def since(self, start: int) -> memoryview:
        return self._state[start : self.position]

    @property
    def ended(self) -> bool:
        return self.position == len(self._state)


def _parts(reader: _Reader, transposed: bool, unified: bool) -> Iterator[bytes | memoryview]:
    *fixed, streams = reader.read(_HEADER)
    yield _HEADER.pack(*fixed, 1 if unified else streams)
    for _ in range(streams):
        start = reader.position
        (cells,) = reader.read(_U32)
        for _ in range(cells):
            _, sequences = reader.read(_CELL)
            reader.take(_U32.size * sequences)
        if cells or not unified:
            yield reader.since(start)
        if cells:
            yield from _layers(reader, cells, transposed)
    if not reader.ended:
        raise ValueError("a state with more in it")


def _layers(reader: _Reader, cells: int, transposed: bool) -> Iterator[bytes | memoryview]:
    was_transposed, layers, other = reader.read(_KIND)
    if other:
        raise ValueError("a state of another kind")
    yield _KIND.pack(transposed, layers, 0)
    start = reader.position
    for _ in range(layers):
        _, size = reader.read(_ROWS)
        reader.take(size * cells)
    yield reader.since(start)
    for _ in range(layers):
        if was_transposed:
            kind, _, dimensions = reader.read(_COLUMNS)
        else:
            kind, size = reader.read(_ROWS)
            dimensions = size // 2
        if kind != _F16:
            raise ValueError("values of another type")
        values = reader.take(2 * cells * dimensions)
        yield _COLUMNS.pack(kind, 2, dimensions) if transposed else _ROWS.pack(kind, 2 * dimensions)
        if transposed == bool(was_transposed):
            yield values
        else:
            yield _transposed(values, dimensions if transposed else cells)


def _transposed(values: memoryview, columns: int) -> bytes:
    """Transpose a matrix of 16-bit values with this many columns, stored row by row."""
    import numpy as np

    return np.frombuffer(values, np.uint16).reshape(-1, columns).T.tobytes()
