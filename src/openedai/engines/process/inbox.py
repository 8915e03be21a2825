"""What a worker has answered to one call and nobody has taken yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from openedai.engines.process.messages import Events, Result

Answer = Events | Result | None
"""None: the worker is gone."""

HOLD_AT = 1 << 16
RELEASE_AT = 1 << 14


class Inbox:
    """The answers of one call, in order.

    More than HOLD_AT bytes of answers hold the call back (`hold(True)`), until less than RELEASE_AT
    are left (`hold(False)`), so that a client that does not read takes only little memory.
    """

    def __init__(self, hold: Callable[[bool], None]) -> None:
        self._hold = hold
        self._held = False
        self._answers: deque[tuple[Answer, int]] = deque()
        self._bytes = 0
        self._arrival: asyncio.Future[None] | None = None

    def put(self, answer: Answer, size: int = 0) -> None:
        """Add an answer that came in a frame of that many bytes."""
        self._answers.append((answer, size))
        self._bytes += size
        if self._bytes > HOLD_AT and not self._held:
            self._held = True
            self._hold(True)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def empty(self) -> bool:
        return not self._answers

    def arrival(self) -> asyncio.Future[None]:
        """A future that is done with the next answer. For one task at a time, while there is no
        answer.
        """
        self._arrival = asyncio.get_running_loop().create_future()
        return self._arrival

    def take(self) -> Answer:
        """The next answer, which must be there."""
        answer, size = self._answers.popleft()
        self._bytes -= size
        if self._held and self._bytes < RELEASE_AT:
            self._held = False
            self._hold(False)
        return answer
