"""How the rows of a batch are divided among threads."""

from __future__ import annotations

from threading import Barrier
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.engines.embedding.threads import LEAST_TOKENS, MOST_IDLE, RowThreads, divided
from openedai.engines.free_cores import FreeCores

LENGTHS = st.lists(st.integers(2, 512), min_size=1, max_size=80)


@given(lengths=LENGTHS, cores=st.integers(1, 16))
def test_every_row_is_in_one_part_and_every_core_has_one(lengths: list[int], cores: int) -> None:
    parts = divided(lengths, cores)
    if parts:
        assert len(parts) == cores
        assert sorted(row for part in parts for row in part) == list(range(len(lengths)))


@given(lengths=LENGTHS, cores=st.integers(1, 16))
def test_no_core_is_idle_for_long(lengths: list[int], cores: int) -> None:
    """Of batches as the queue makes them: the shortest row is at least half as long as others."""
    batch = [length for length in lengths if 2 * length >= max(lengths)]
    parts = divided(batch, cores)
    work = [sum(batch[row] for row in part) for part in parts]
    assert not parts or sum(work) / len(work) >= max(work) / 2.5


@pytest.mark.parametrize(
    ("lengths", "cores", "sizes"),
    [
        ([400], 1, [1]),
        ([3], 1, [1]),
        ([400], 2, []),  # its only row cannot be divided
        ([400] * 2, 2, [1, 1]),
        ([400] * 3, 2, []),  # one core would wait for a third of the time
        ([400] * 5, 2, [3, 2]),
        ([400] * 2, 8, []),
        ([400] * 15, 8, [2] * 7 + [1]),
        ([LEAST_TOKENS - 1] * 2, 2, []),
        ([LEAST_TOKENS] * 2, 2, [1, 1]),
    ],
)
def test_when_rows_are_divided(lengths: list[int], cores: int, sizes: list[int]) -> None:
    assert [len(part) for part in divided(lengths, cores)] == sizes


def test_long_and_short_rows_are_spread() -> None:
    assert divided([100, 60, 80, 70, 90, 50], 2) == [[5, 3, 4], [1, 2, 0]]


def test_without_padding_parts_have_as_many_tokens() -> None:
    assert divided([100, 60, 50, 40, 30, 20], 2, padded=False) == [[0, 3, 5], [1, 2, 4]]
    assert divided([100, 20, 20], 2, padded=False) == []


@given(lengths=LENGTHS, cores=st.integers(1, 16))
def test_no_core_is_idle_for_long_without_padding(lengths: list[int], cores: int) -> None:
    parts = divided(lengths, cores, padded=False)
    work = [sum(lengths[row] for row in part) for part in parts]
    assert not parts or sum(work) / len(work) >= max(work) / (1 + MOST_IDLE)


def test_parts_run_at_the_same_time_and_results_keep_the_order() -> None:
    together = Barrier(2, timeout=60)

    def compute(rows: Any) -> Any:
        together.wait()
        return np.array([[row, row] for row in rows], np.float32)

    threads = RowThreads(2, FreeCores(1))
    result = threads.run([[3, 0], [1, 2, 4]], compute)
    threads.close()
    np.testing.assert_array_equal(result[:, 0], [0, 1, 2, 3, 4])


def test_the_failure_of_a_part_is_that_of_the_batch() -> None:
    def compute(rows: Any) -> Any:
        if 1 in rows:
            raise ValueError("broken")
        return np.zeros((len(rows), 2), np.float32)

    threads = RowThreads(2, FreeCores(1))
    with pytest.raises(ValueError, match="broken"):
        threads.run([[0], [1]], compute)
    assert threads.run([[0]], compute).shape == (1, 2)
    threads.close()
