"""Reuse of computed prompts: which slot a prompt goes to, and how much of it is already computed
there.

A slot keeps what it computed last. What another prompt displaces from a slot is kept in memory, up
to a limit. A prompt is placed so that as little as possible is computed again: in the slot that
begins like it, or in a copy of another slot, even one that is generating, or of what was kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from openedai.errors import EngineFailed

_BLOCK = 256
# Copying pays off for this many tokens more than the best slot has; fewer are not kept either.
_WORTH_COPYING = 64


class Context(Protocol):
    """The part of a model's context that the slots use; see `Model`."""

    def grow(self, length: int) -> bool: ...

    def trim(self, slot: int, start: int) -> bool: ...

    def state_size(self, slot: int) -> int: ...

    def save(self, slot: int) -> memoryview: ...

    def restore(self, slot: int, state: memoryview) -> bool: ...


@dataclass(eq=False)
class Slot:
    """`keys` are the keys of a sequence, as in `Job.prompt`. The first `computed` of them are in
    the model's context, computed with `adapter`: all of them unless the slot is `busy`.
    """

    number: int
    keys: list[int] = field(default_factory=list)
    computed: int = 0
    adapter: tuple[int, float] | None = None
    busy: bool = False


@dataclass(frozen=True)
class Saved:
    """The computed state of a sequence, as bytes."""

    keys: list[int]
    adapter: tuple[int, float] | None
    state: memoryview


class Prefixes:
    """The slots of a model, and the sequences that were in them.

    `limit` is the most that is kept, in bytes.
    """

    def __init__(self, context: Context, slots: int, limit: int) -> None:
        self._context = context
        self._limit = limit
        # The most recently used slot is last.
        self._slots = deque(Slot(number) for number in range(slots))
        self._saved: deque[Saved] = deque()

    @property
    def full(self) -> bool:
        return all(slot.busy for slot in self._slots)

    def slots(self) -> list[Slot]:
        return sorted(self._slots, key=lambda slot: slot.number)

    def take(
        self, prompt: Sequence[int], adapter: tuple[int, float] | None, *, reuse: bool
    ) -> tuple[Slot, int]:
        """A slot for the prompt, now busy, and how many of the prompt's first keys are computed in
        it: at most all but the last one, and without `reuse` none.
        """
        slot, common = self._best_free(prompt, adapter)
        other, more = self._best_other(prompt, adapter)
        copied = reuse and other is not None and more - common >= _WORTH_COPYING
        if copied:
            slot = next(slot for slot in self._slots if not slot.busy)
        if not copied or not self._copy(other, more, slot):
            self._keep(slot, unless=common if reuse else 0)
        common = min(_common(slot.keys, prompt), len(prompt) - 1)
        if not reuse or slot.adapter != adapter:
            common = 0
        if not self._context.trim(slot.number, common):
            self._context.trim(slot.number, 0)
            common = 0
        slot.busy, slot.adapter = True, adapter
        slot.keys, slot.computed = list(prompt[:common]), common
        self._slots.remove(slot)
        self._slots.append(slot)
        return slot, common

    def is_coming(self, prompt: Sequence[int], adapter: tuple[int, float] | None) -> bool:
        """Whether a busy slot is about to compute more of the prompt than what exists, so that a
        copy of it is worth waiting for.
        """
        busy = [slot for slot in self._slots if slot.busy and slot.adapter == adapter]
        coming = max((_common(slot.keys, prompt) for slot in busy), default=0)
        if coming < _WORTH_COPYING:
            return False
        return coming - self._best_other(prompt, adapter)[1] >= _WORTH_COPYING

    def release(self, slot: Slot, computed: Sequence[int]) -> None:
        """Free a slot: its sequence has ended, with these computed keys."""
        slot.keys, slot.computed = list(computed), len(computed)
        slot.busy = False

    def forget(self, slot: Slot) -> None:
        """Free a slot whose contents are of no use."""
        self._context.trim(slot.number, 0)
        self.release(slot, ())

    def close_gap(self) -> bool:
        """Move a busy slot so that the busy ones are adjacent: llama.cpp computes a batch in one go
        only if its sequences are. Returns False if there is nothing to move.
        """
        busy = sorted(slot.number for slot in self._slots if slot.busy)
        if not busy or busy[-1] - busy[0] < len(busy):
            return False
        by_number = {slot.number: slot for slot in self._slots}
        gap = next(number for number in range(busy[0], busy[-1]) if number not in busy)
        # From the end with fewer slots beyond the gap.
        below, above = busy.index(gap - 1) + 1, len(busy) - busy.index(gap - 1) - 1
        end = busy[0] if below < above else busy[-1]
        self._exchange(by_number[end], by_number[gap])
        return True

    def save(self, slot: Slot) -> Saved | None:
        """What a free slot holds; None if it is empty."""
        if slot.busy or not slot.keys or not (state := self._context.save(slot.number)):
            return None
        return Saved(slot.keys, slot.adapter, state)

    def restore(self, slot: Slot, saved: Saved) -> bool:
        """Fill a slot. If the state does not fit this model, the slot is empty and False is
        returned.
        """
        room = self._context.grow(len(saved.keys))
        if not (room and self._context.restore(slot.number, saved.state)):
            self.forget(slot)
            return False
        slot.keys, slot.computed, slot.adapter = list(saved.keys), len(saved.keys), saved.adapter
        return True

    def _exchange(self, first: Slot, second: Slot) -> None:
        """Let two slots change their places in the model's context. Raises EngineFailed."""
        moves = [(first, second.number), (second, first.number)]
        states = [self._context.save(slot.number) for slot, _ in moves]
        for (slot, number), state in zip(moves, states, strict=True):
            self._context.trim(number, 0)
            moved_state = bool(state) and self._context.restore(number, state)
            if slot.busy and not moved_state:
                raise EngineFailed("A sequence could not be moved.")
            slot.number = number
            if not moved_state:
                self.forget(slot)

    def _best_free(
        self, prompt: Sequence[int], adapter: tuple[int, float] | None
    ) -> tuple[Slot, int]:
        """The free slot with the longest common beginning with the prompt; among equals one next to
        busy slots, an empty one, or else the least recently used.
        """
        busy = [slot.number for slot in self._slots if slot.busy]
        free = (slot for slot in self._slots if not slot.busy)
        rated = [(self._shared(slot, prompt, adapter), slot) for slot in free]

        def rank(pair: tuple[int, Slot]) -> tuple[int, bool, bool]:
            common, slot = pair
            beside = any(abs(slot.number - number) == 1 for number in busy)
            return common, beside, not slot.keys

        common, slot = max(rated, key=rank)
        return slot, common

    def _best_other(
        self, prompt: Sequence[int], adapter: tuple[int, float] | None
    ) -> tuple[Slot | Saved | None, int]:
        """What else begins like the prompt: a slot, or a kept sequence."""
        others: list[Slot | Saved] = [*self._slots, *self._saved]
        rated = [(self._shared(other, prompt, adapter), other) for other in others]
        common, other = max(rated, key=lambda pair: pair[0])
        return (other, common) if common else (None, 0)

    @staticmethod
    def _shared(
        other: Slot | Saved, prompt: Sequence[int], adapter: tuple[int, float] | None
    ) -> int:
        if other.adapter != adapter:
            return 0
        common = _common(other.keys, prompt)
        return min(common, other.computed) if isinstance(other, Slot) else common

    def _copy(self, source: Slot | Saved | None, common: int, target: Slot) -> bool:
        """Copy a sequence to a free slot, whose contents are kept first. Returns False if that
        fails.
        """
        if source is None or source is target:
            return source is target
        if isinstance(source, Slot):
            keys = source.keys[: source.computed]
            source = Saved(keys, source.adapter, self._context.save(source.number))
        elif common == len(source.keys):
            self._saved.remove(source)  # it is continued in the slot
        self._keep(target, unless=0)
        return bool(source.state) and self.restore(target, source)

    def _keep(self, slot: Slot, *, unless: int) -> None:
        """Keep the contents of a slot if they are worth it: if there is more than the first
        `unless` keys, which stay in the slot.
        """
        lost = len(slot.keys) - unless
        if lost < _WORTH_COPYING or self._context.state_size(slot.number) > self._limit:
            return
        if any(_common(saved.keys, slot.keys) == len(slot.keys) for saved in self._saved):
            return
        if state := self._context.save(slot.number):
            self._saved.append(Saved(slot.keys, slot.adapter, state))
        while sum(len(saved.state) for saved in self._saved) > self._limit:
            self._saved.popleft()


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many keys both begin with; an image counts as a whole."""
    end = min(len(first), len(second))
    at = 0
    while at < end and first[at : at + _BLOCK] == second[at : at + _BLOCK]:
        at += _BLOCK
    at = min(at, end)
    while at < end and first[at] == second[at]:
        at += 1
    if 0 < at < max(len(first), len(second)) and first[at - 1] < 0:
        image = first[at - 1]
        if _key(first, at) == image or _key(second, at) == image:
            while at and first[at - 1] == image:
                at -= 1
    return at


def _key(keys: Sequence[int], at: int) -> int | None:
    return keys[at] if at < len(keys) else None
