"""The memory that the bodies of all requests in progress take in total."""

from __future__ import annotations

from collections import Counter

from openedai.errors import Unavailable

# This much of every body is read, whatever the others take.
FREE = 64 << 10


class BodyMemory:
    """At most `limit` bytes, shared fairly: each caller may take as much as it leaves free."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._taken: Counter[str] = Counter()

    def share(self, caller: str) -> BodyShare:
        return BodyShare(self, caller)

    def take(self, caller: str, size: int) -> None:
        """Take this many more bytes. Raises Unavailable if the caller may not."""
        if self._taken[caller] + size > self._free - size:
            raise Unavailable(
                "The server has no memory for more large request bodies now.", retry_after=1
            )
        self._taken[caller] += size
        self._free -= size

    def release(self, caller: str, size: int) -> None:
        self._free += size
        self._taken[caller] -= size
        if not self._taken[caller]:
            del self._taken[caller]


class BodyShare:
    """What one body takes, until it is released."""

    def __init__(self, memory: BodyMemory, caller: str) -> None:
        self._memory = memory
        self._caller = caller
        self._free = FREE
        self._taken = 0

    def take(self, size: int) -> None:
        """Take this many more bytes. Raises Unavailable."""
        free = min(self._free, size)
        self._free -= free
        if size > free:
            self._memory.take(self._caller, size - free)
            self._taken += size - free

    def release(self) -> None:
        self._memory.release(self._caller, self._taken)
        self._taken = 0
