"""The vectors of recent inputs."""

from __future__ import annotations

import numpy as np

from openedai.engines.embedding.recent import RecentVectors, key_of

VECTOR = np.arange(64, dtype=np.float32)  # 256 bytes, and as many for its entry


def test_the_vectors_used_longest_ago_go_first() -> None:
    recent = RecentVectors(3 * 512)
    for key in (b"a", b"b", b"c"):
        recent.put(key, VECTOR)
    assert recent.get(b"a") is not None
    recent.put(b"d", VECTOR)
    assert [recent.get(key) is not None for key in (b"a", b"b", b"c", b"d")] == [
        True,
        False,
        True,
        True,
    ]


def test_without_room_nothing_is_kept() -> None:
    for limit in (0, 511):
        recent = RecentVectors(limit)
        recent.put(b"a", VECTOR)
        assert recent.get(b"a") is None


def test_a_kept_vector_is_a_copy() -> None:
    recent, vector = RecentVectors(1 << 20), VECTOR.copy()
    recent.put(b"a", vector)
    vector[:] = 0
    np.testing.assert_array_equal(recent.get(b"a"), VECTOR)


def test_keys_are_those_of_what_the_model_reads() -> None:
    contents: list[str | list[int]] = ["", "a", "\udc80", [], [97], [97, 0], [0, 97], [1 << 31]]
    assert len({key_of(content) for content in contents}) == len(contents)
    assert key_of([1, 2]) == key_of([1, 2])
