"""What jobs of this server need and the database is not told, such as passwords."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from openedai.errors import Unavailable

MOST = 1000
# The transaction that adds a job may take so long: until then it is not known to others.
_NEW_SECONDS = 60.0


class PrivateInputs:
    """By the ids of the jobs. They are kept in memory only, until the job has ended. `clock` is in
    seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[Any, float]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def put(self, id: str, value: Any) -> None:
        """Raises Unavailable if too many jobs have one."""
        if len(self._known) >= MOST:
            raise Unavailable(
                f"This server has {MOST} jobs with private inputs already.", retry_after=10
            )
        self._known[id] = value, self._clock()

    def of(self, id: str) -> Any:
        """None for a job that has none, or was added by another server."""
        value, _ = self._known.get(id, (None, 0.0))
        return value

    def forget(self, id: str) -> None:
        self._known.pop(id, None)

    def keep(self, ids: Collection[str]) -> None:
        """Forget those of all other jobs but new ones."""
        oldest = self._clock() - _NEW_SECONDS
        for id, (_, at) in list(self._known.items()):
            if id not in ids and at < oldest:
                del self._known[id]
