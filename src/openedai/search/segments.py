"""What is stored of a file that is searched: its text, its chunks and their vectors, as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from openedai.search.chunks import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VERSION = 1


class Segment(msgspec.Struct, frozen=True):
    """`sections` are the names of parts of `text`, such as its pages, each with the index where it
    begins; `spans` are its chunks. `owners` has for each vector the index of its chunk, in
    ascending order; `data` has the vectors, as a matrix of little-endian float16 of shape (vectors,
    dimensions).
    """

    text: str
    sections: Sequence[tuple[str, int]]
    spans: Sequence[Span]
    owners: Sequence[int]
    dimensions: int
    data: bytes
    version: int = _VERSION

    def chunks(self) -> list[str]:
        """The text of each chunk."""
        return [self.text[start:end] for start, end in self.spans]

    def parts(self) -> list[str]:
        """The text before the first section, if there is any, and the text of each section."""
        starts = [start for _, start in self.sections]
        if not starts or starts[0] > 0:
            starts.insert(0, 0)
        return [self.text[start:end] for start, end in pairwise([*starts, len(self.text)])]

    def vectors(self) -> NDArray[np.float32]:
        """The vectors, each of length 1: [vectors, dimensions]."""
        import numpy as np

        return unit(np.frombuffer(self.data, "<f2").reshape(-1, self.dimensions))


def encode(segment: Segment) -> bytes:
    return msgspec.msgpack.encode(segment)


def decode(data: bytes) -> Segment:
    return msgspec.msgpack.decode(data, type=Segment)


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    """The rows scaled to length 1, as float32."""
    import numpy as np

    found = rows.astype(np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    found /= lengths
    return found


def halved(rows: NDArray[np.float32]) -> bytes:
    """The rows in the format of `Segment.data`."""
    return rows.astype("<f2").tobytes()
