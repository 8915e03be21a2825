"""Who is next: callers take turns; within a caller the order is first come, first served."""

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
        self._queues: dict[str, deque[T]] = {}  # the first caller is next
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        for queue in self._queues.values():
            yield from queue

    def add(self, item: T) -> None:
        self._queues.setdefault(item.caller, deque()).append(item)
        self._count += 1

    def next(self) -> T:
        """The item whose turn it is. There must be one."""
        return next(iter(self._queues.values()))[0]

    def take_next(self) -> T:
        """Remove the next item; its caller is last from now on."""
        caller, queue = next(iter(self._queues.items()))
        item = queue.popleft()
        self._count -= 1
        del self._queues[caller]
        if queue:
            self._queues[caller] = queue
        return item

    def remove(self, item: T) -> None:
        queue = self._queues[item.caller]
        queue.remove(item)
        self._count -= 1
        if not queue:
            del self._queues[item.caller]

    def of(self, caller: str) -> int:
        """How many items the caller has."""
        return len(self._queues.get(caller, ()))

    def most(self) -> deque[T]:
        """The items of the caller with most of them; empty if there are none."""
        return max(self._queues.values(), key=len, default=deque())
