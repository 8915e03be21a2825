"""The tokens that are computed in one step."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_int8, c_int32, sizeof

from openedai.engines.llama_cpp.native.library import Batch


class TokenBatch:
    """A batch of tokens of several sequences, filled anew for each step."""

    def __init__(self, capacity: int) -> None:
        self._tokens = (c_int32 * capacity)()
        self._positions = (c_int32 * capacity)()
        self._counts = (c_int32 * capacity)(*[1] * capacity)
        self._slots = (c_int32 * capacity)()
        slots = (ctypes.byref(self._slots, place * sizeof(c_int32)) for place in range(capacity))
        pointers = (ctypes.cast(slot, POINTER(c_int32)) for slot in slots)
        self._slot_pointers = (POINTER(c_int32) * capacity)(*pointers)
        self._outputs = (c_int8 * capacity)()
        self.value = Batch(
            n_tokens=0,
            token=self._tokens,
            embd=None,
            pos=self._positions,
            n_seq_id=self._counts,
            seq_id=self._slot_pointers,
            logits=self._outputs,
        )

    def __len__(self) -> int:
        return int(self.value.n_tokens)

    def clear(self) -> None:
        self.value.n_tokens = 0

    def add(
        self,
        slot: int,
        tokens: Sequence[int],
        position: int,
        *,
        every_output: bool,
        last_output: bool,
    ) -> int:
        """Add the tokens of a sequence from `position` on; returns the row of the first one.

        The logits of the last one or of every one are an output.
        """
        row, count = len(self), len(tokens)
        end = row + count
        self._tokens[row:end] = [*tokens]
        self._positions[row:end] = [*range(position, position + count)]
        self._slots[row:end] = [slot] * count
        self._outputs[row:end] = [every_output] * count
        self._outputs[end - 1] = every_output or last_output
        self.value.n_tokens = end
        return row
