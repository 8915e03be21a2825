"""The memory of bodies: nobody takes all of it, and it is given back."""

from __future__ import annotations

import pytest

from openedai.errors import Unavailable
from openedai.http.body_memory import FREE, BodyMemory


def test_a_caller_leaves_as_much_free_as_they_take() -> None:
    memory = BodyMemory(1000)
    first, second = memory.share("first"), memory.share("second")
    first.take(FREE + 500)
    with pytest.raises(Unavailable) as caught:
        memory.share("first").take(FREE + 1)
    assert caught.value.retry_after == 1
    second.take(FREE + 250)
    with pytest.raises(Unavailable):
        second.take(1)


def test_small_bodies_are_always_read() -> None:
    memory = BodyMemory(0)
    for _ in range(100):
        memory.share("someone").take(FREE)


def test_what_is_released_can_be_taken_again() -> None:
    memory = BodyMemory(1000)
    for _ in range(100):
        share = memory.share("first")
        share.take(FREE)
        share.take(300)
        with pytest.raises(Unavailable):
            share.take(300)
        share.release()
        share.release()
