"""Decides who is next: groups of callers take turns, and so do the callers within a group; requests
of one caller are served in order of arrival.

The group is the part of a caller's name before its slash.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class HasCaller(Protocol):
    caller: str


T = TypeVar("T", bound=HasCaller)


class Turns(Generic[T]):
    """Waiting requests, the next one first."""

    def __init__(self) -> None:
        # The first group is next, and in it the first caller.
        self._groups: dict[str, dict[str, deque[T]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        for queues in self._groups.values():
            for queue in queues.values():
                yield from queue

    def add(self, item: T) -> None:
        queues = self._groups.setdefault(_group(item.caller), {})
        queues.setdefault(item.caller, deque()).append(item)
        self._count += 1

    def next(self) -> T:
        """The item whose turn it is. There has to be one."""
        queues = next(iter(self._groups.values()))
        return next(iter(queues.values()))[0]

    def take_next(self) -> T:
        """Remove the next item; its caller and their group then come last."""
        group, queues = next(iter(self._groups.items()))
        caller, queue = next(iter(queues.items()))
        item = queue.popleft()
        self._count -= 1
        del self._groups[group], queues[caller]
        if queue:
            queues[caller] = queue
        if queues:
            self._groups[group] = queues
        return item

    def remove(self, item: T) -> None:
        group = _group(item.caller)
        queues = self._groups[group]
        queue = queues[item.caller]
        queue.remove(item)
        self._count -= 1
        if not queue:
            del queues[item.caller]
        if not queues:
            del self._groups[group]

    def has_most(self, caller: str) -> bool:
        """Whether the caller's group has items, and no other group has more."""
        own = self._size(_group(caller))
        return own > 0 and own == max(map(self._size, self._groups))

    def displaced_by(self, caller: str) -> T | None:
        """The newest item of the busiest caller in the busiest group, if an item of this caller in
        its place would even out the shares; or else the same within the caller's own group.
        """
        own = _group(caller)
        largest = max(self._groups, key=self._size, default=own)
        if self._size(own) + 1 >= self._size(largest):
            largest = own
        queues = self._groups.get(largest, {})
        most = max(queues.values(), key=len, default=deque[T]())
        if largest == own and len(queues.get(caller, ())) + 1 >= len(most):
            return None
        return most[-1]

    def _size(self, group: str) -> int:
        return sum(map(len, self._groups.get(group, {}).values()))


def _group(caller: str) -> str:
    return caller.partition("/")[0]
