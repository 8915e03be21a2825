"""The vectors of a store as they are scanned: mapped from a file that is read on demand."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FLOAT_BYTES = 4
_BLOCK_BYTES = 32 << 20


@dataclass(frozen=True)
class CachedFile:
    """A file whose vectors begin at `first_row`; `owners` has the chunk of each, as int32 counted
    from `first_chunk`.
    """

    file: str
    filename: str
    attributes: Mapping[str, str | float | bool]
    first_row: int
    rows: int
    first_chunk: int
    owners: bytes


class View:
    """The vectors of a store at one revision: [rows, dimensions], including those of removed
    files.
    """

    def __init__(
        self,
        revision: int,
        files: Sequence[CachedFile],
        vectors: int,
        rows: int,
        dimensions: int,
    ) -> None:
        """`vectors` is the descriptor of an open file."""
        import numpy as np

        self.revision = revision
        self.files = files
        self._rows = rows
        self._dimensions = dimensions
        self._chunks = np.full(rows, -1, np.int64)
        self._file_of = np.full(rows, -1, np.int32)
        for index, file in enumerate(files):
            span = slice(file.first_row, file.first_row + file.rows)
            self._chunks[span] = np.frombuffer(file.owners, "<i4") + file.first_chunk
            self._file_of[span] = index
        self._live = np.flatnonzero(self._chunks >= 0)
        self._live_chunks = self._chunks[self._live]
        size = rows * dimensions * _FLOAT_BYTES
        self._map = mmap.mmap(vectors, size, prot=mmap.PROT_READ) if size else None

    @property
    def count(self) -> int:
        """How many chunks there are."""
        import numpy as np

        return int(np.count_nonzero(np.diff(self._live_chunks))) + bool(len(self._live))

    def rows_of(self, keep: Callable[[CachedFile], bool] | None) -> NDArray[np.bool_]:
        """Which rows belong to existing files that the filter keeps."""
        import numpy as np

        if keep is None:
            return np.asarray(self._file_of >= 0)
        kept = np.array([keep(file) for file in self.files] + [False], bool)
        return kept[self._file_of]  # of none it is the last

    def similarities(self, queries: NDArray[np.float32], *, sparing: bool) -> NDArray[np.float32]:
        """The highest cosine of each row with any of the queries: from [queries, dimensions] to
        [rows].

        A `sparing` scan leaves at most one block of the file in memory.
        """
        import numpy as np

        found = np.empty(self._rows, np.float32)
        if self._map is None:
            return found
        matrix = np.frombuffer(self._map, "<f4").reshape(self._rows, self._dimensions)
        step = max(1, _BLOCK_BYTES // (self._dimensions * _FLOAT_BYTES))
        for start in range(0, self._rows, step):
            block = matrix[start : start + step]
            if len(queries) == 1:
                np.dot(block, queries[0], out=found[start : start + step])
            else:
                np.max(block @ queries.T, axis=1, out=found[start : start + step])
            if sparing:
                self._drop(start * self._dimensions * _FLOAT_BYTES, block.nbytes)
        return found

    def best(
        self, scores: NDArray[np.float32], kept: NDArray[np.bool_], limit: int
    ) -> dict[int, float]:
        """The best chunks by the best of their rows, with the scores, the best first."""
        import numpy as np

        rows = np.flatnonzero(kept)
        found = scores if len(rows) == len(scores) else scores[rows]
        if 4 * limit < len(rows):  # several rows may be of one chunk
            part = np.argpartition(found, -4 * limit)[-4 * limit :]
            rows, found = rows[part], found[part]
        order = np.argsort(-found, kind="stable")
        chunks: dict[int, float] = {}
        numbers = self._chunks[rows[order]].tolist()
        for chunk, score in zip(numbers, found[order].tolist(), strict=True):
            chunks.setdefault(chunk, score)
            if len(chunks) == limit:
                break
        return chunks

    def scores_of(
        self, scores: NDArray[np.float32] | None, kept: NDArray[np.bool_], chunks: Sequence[int]
    ) -> dict[int, float]:
        """The scores of the given chunks, or 0, without the chunks that are not kept."""
        import numpy as np

        starts, ends = self._spans(chunks)
        there = starts < ends
        there[there] = kept[self._live[starts[there]]]
        found = np.asarray(chunks, np.int64)[there].tolist()
        if scores is None or not found:
            return dict.fromkeys(found, 0.0)
        starts, lengths = starts[there], (ends - starts)[there]
        firsts = np.cumsum(lengths) - lengths  # of each chunk among the rows of all of them
        rows = self._live[np.arange(lengths.sum()) + np.repeat(starts - firsts, lengths)]
        best = np.maximum.reduceat(scores[rows], firsts)
        return dict(zip(found, best.tolist(), strict=True))

    def files_of(self, chunks: Sequence[int]) -> list[CachedFile]:
        """The file of each of these chunks, which have to exist."""
        starts, _ = self._spans(chunks)
        return [self.files[index] for index in self._file_of[self._live[starts]].tolist()]

    def _spans(self, chunks: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the rows of each chunk begin and end among the existing ones. Chunks of removed
        files have none.
        """
        import numpy as np

        starts, ends = (
            np.searchsorted(self._live_chunks, chunks, side) for side in ("left", "right")
        )
        return starts, ends

    def _drop(self, start: int, size: int) -> None:
        assert self._map is not None
        first = start - start % mmap.PAGESIZE
        self._map.madvise(mmap.MADV_DONTNEED, first, size + start - first)
