"""The rows of a batch, divided among as many threads as there are free cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import heapreplace
from typing import TYPE_CHECKING

from openedai.engines.free_cores import FreeCores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# With fewer tokens per thread, threads that share a run are faster.
LEAST_TOKENS = 32
# The longest that threads may be idle at the end, as a fraction of the time in which all are busy.
MOST_IDLE = 0.25


class RowThreads:
    """Runs parts of a batch at the same time. Use it from one thread only."""

    def __init__(self, most: int, free: FreeCores) -> None:
        self.most = most
        self._free = free
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="embed-rows")

    def divide(self, lengths: Sequence[int], *, padded: bool = True) -> list[list[int]]:
        """The rows, by index, for each free core; none if all threads should share one run."""
        return divided(lengths, self._free.count(), padded=padded)

    def run(
        self,
        parts: Sequence[Sequence[int]],
        compute: Callable[[Sequence[int]], NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        """What `compute` returns for the rows of each part, in the order of all rows."""
        import numpy as np

        computed = np.concatenate(list(self._pool.map(compute, parts)))
        result = np.empty_like(computed)
        result[[row for part in parts for row in part]] = computed
        return result

    def close(self) -> None:
        self._pool.shutdown()


def divided(lengths: Sequence[int], cores: int, *, padded: bool = True) -> list[list[int]]:
    """Parts of the rows, by index, that take equally long on this many cores; empty if there are
    none.

    `padded` rows are of similar length, and all take as long as the longest.
    """
    costs = [max(lengths)] * len(lengths) if padded else lengths
    if cores > 1 and sum(lengths) < LEAST_TOKENS * cores:
        return []
    parts: list[list[int]] = [[] for _ in range(cores)]
    loads = [(0, core) for core in range(cores)]
    for row in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=not padded):
        load, core = loads[0]
        parts[core].append(row)
        heapreplace(loads, (load + costs[row], core))
    idle = max(loads)[0] * cores > (1 + MOST_IDLE) * sum(costs)
    return [] if idle else parts
