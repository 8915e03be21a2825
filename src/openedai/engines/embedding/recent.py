"""The vectors of recent inputs."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The bytes of a vector's entry besides its numbers.
_ENTRY_BYTES = 256


class RecentVectors:
    """Keeps vectors by what the model reads of an input, up to `limit` bytes; the least recently
    used ones are dropped first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._vectors: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()

    def get(self, key: bytes) -> NDArray[np.float32] | None:
        """The vector of an input, which must not be changed."""
        if key in self._vectors:
            self._vectors.move_to_end(key)
        return self._vectors.get(key)

    def put(self, key: bytes, vector: NDArray[np.float32]) -> None:
        size = vector.nbytes + _ENTRY_BYTES
        if key in self._vectors or size > self._limit:
            return
        self._vectors[key] = vector.copy()
        self._taken += size
        while self._taken > self._limit:
            _, dropped = self._vectors.popitem(last=False)
            self._taken -= dropped.nbytes + _ENTRY_BYTES


def key_of(content: str | Sequence[int]) -> bytes:
    """A key for what a model reads: a text or tokens."""
    if isinstance(content, str):
        return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=20).digest()
    return blake2b(array("q", content).tobytes(), digest_size=20, person=b"tokens").digest()
