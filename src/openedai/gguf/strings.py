"""The metadata at the head of a GGUF file: keys with typed values, before the tensors.

The layout, all of it little-endian: the magic and the version; how many tensors and how many
pairs; then each pair as a key, the type of its value and the value. A string is its length in
bytes and its bytes; an array is the type of its items, their number and the items.
"""

from __future__ import annotations

import struct
from collections.abc import Container
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

_HEAD = struct.Struct("<4sIQQ")
_TYPE = struct.Struct("<I")
_LENGTH = struct.Struct("<Q")
_STRING, _ARRAY = 8, 9
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


@dataclass
class _Cursor:
    data: mmap
    at: int = 0

    def skip(self, size: int) -> int:
        """Go over `size` bytes; returns where they began."""
        start = self.at
        self.at += size
        if self.at > len(self.data):
            raise ValueError("the file ends too early")
        return start

    def number(self, layout: struct.Struct) -> int:
        (number,) = layout.unpack_from(self.data, self.skip(layout.size))
        return int(number)

    def string(self) -> str:
        start = self.skip(self.number(_LENGTH))
        return self.data[start : self.at].decode("utf-8", "replace")

    def skip_value(self, kind: int) -> None:
        if kind == _STRING:
            self.skip(self.number(_LENGTH))
        elif kind == _ARRAY:
            self._skip_array()
        else:
            self.skip(_SIZES[kind])

    def _skip_array(self) -> None:
        kind = self.number(_TYPE)
        count = self.number(_LENGTH)
        if kind == _STRING:
            self._skip_strings(count)
        else:
            self.skip(count * _SIZES[kind])

    def _skip_strings(self, count: int) -> None:
        """A loop without calls: vocabularies have hundreds of thousands of tokens and merges."""
        data, at, length_at = self.data, self.at, _LENGTH.unpack_from
        for _ in range(count):
            at += _LENGTH.size + length_at(data, at)[0]
        self.skip(at - self.at)


def read_strings(path: Path, keys: Container[str]) -> dict[str, str]:
    """The string values of those `keys` that the file has.

    Raises OSError, and ValueError for a file that is no GGUF.
    """
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            return _strings(data, keys)
    except (struct.error, OverflowError, KeyError, ValueError) as error:
        raise ValueError(f"{path.name} is no GGUF file, or a broken one") from error


def _strings(data: mmap, keys: Container[str]) -> dict[str, str]:
    magic, version, _, pairs = _HEAD.unpack_from(data)
    if magic != b"GGUF" or version not in (2, 3):
        raise ValueError("not GGUF")
    cursor = _Cursor(data, _HEAD.size)
    found = {}
    for _ in range(pairs):
        key = cursor.string()
        kind = cursor.number(_TYPE)
        if kind == _STRING and key in keys:
            found[key] = cursor.string()
        else:
            cursor.skip_value(kind)
    return found
