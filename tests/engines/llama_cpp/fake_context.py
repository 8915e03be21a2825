"""A model's context that holds keys instead of what a model computes of them."""

from __future__ import annotations

import msgspec


class FakeContext:
    """`slots` has the computed keys of each slot. `whole_only`: it cannot forget a part, as the
    models that keep one state for all of a text.
    """

    def __init__(self, slots: int, *, whole_only: bool = False) -> None:
        self.slots: dict[int, list[int]] = {number: [] for number in range(slots)}
        self.whole_only = whole_only
        self.broken = False

    def grow(self, length: int) -> bool:
        return True

    def trim(self, slot: int, start: int) -> bool:
        if self.whole_only and 0 < start < len(self.slots[slot]):
            return False
        del self.slots[slot][start:]
        return True

    def state_size(self, slot: int) -> int:
        return len(self._state(slot))

    def save(self, slot: int) -> memoryview:
        return memoryview(b"" if self.broken else self._state(slot))

    def restore(self, slot: int, state: memoryview) -> bool:
        try:
            self.slots[slot] = msgspec.msgpack.decode(state, type=list[int])
        except msgspec.MsgspecError:
            return False
        return True

    def _state(self, slot: int) -> bytes:
        return msgspec.msgpack.encode(self.slots[slot])
