"""Limits on the silence of a worker: a slow one is waited for, a hung one is killed.

Time is counted in ticks of the event loop's timer, not read from a clock, so that the worker gets
its full time even if the server itself was stopped.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

_TICKS = 12  # of each limit
_LONGEST_TICK = 5.0  # seconds
_BUSY = 0.01  # the smallest fraction of a core that a loading process uses


@dataclass(frozen=True)
class SilenceLimits:
    """Seconds.

    `ping`: until a worker that has calls answers a ping. `progress`: without an event, while its
    engine makes no progress either. `load`: without a sign that it computes or reads, while it
    loads.
    """

    ping: float = 60.0
    progress: float = 300.0
    load: float = 60.0


class Watchdog:
    """Watches a worker that has calls.

    `waits` tells whether an event is expected of it, `ping` sends a ping, and `kill` is called
    once, with the reason.
    """

    def __init__(
        self,
        limits: SilenceLimits,
        waits: Callable[[], bool],
        ping: Callable[[], None],
        kill: Callable[[str], None],
    ) -> None:
        self._limits = limits
        self._waits = waits
        self._ping = ping
        self._kill = kill
        self._tick = min(limits.ping / _TICKS, limits.progress / _TICKS, _LONGEST_TICK)
        self._timer: asyncio.TimerHandle | None = None
        self._asked = self._answered = self._heard = False
        self._progress = 0
        self._unanswered = self._silent = 0  # ticks

    def start(self) -> None:
        """Watch until `stop`. An earlier silence continues to count."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick, self._check)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def hear(self) -> None:
        """An event came."""
        self._heard = True

    def answer(self, progress: int) -> None:
        """The answer to a ping came; `progress` is another number whenever something was done."""
        self._answered = True
        self._heard = self._heard or progress != self._progress
        self._progress = progress

    def _check(self) -> None:
        self._timer = None
        if not self._waits():
            self.start()
            return
        if self._asked and not self._answered:
            self._unanswered += 1
        else:
            self._unanswered = 0
            self._asked, self._answered = True, False
            self._ping()
        self._silent = 0 if self._heard else self._silent + 1
        self._heard = False
        if self._unanswered > self._ticks(self._limits.ping):
            self._kill(f"it did not answer for {self._limits.ping:g} s")
        elif self._silent > self._ticks(self._limits.progress):
            self._kill(f"it made no progress for {self._limits.progress:g} s")
        else:
            self.start()

    def _ticks(self, seconds: float) -> int:
        return math.ceil(seconds / self._tick)


@dataclass(frozen=True)
class VitalSigns:
    """What a process has done so far: seconds of computing, bytes read and written, and bytes of
    memory.
    """

    computed: float
    transferred: int
    memory: int


class LoadWatch:
    """Whether a loading process does anything. `signs` measures it; it returns None if that is not
    possible.
    """

    def __init__(self, limit: float, signs: Callable[[], VitalSigns | None]) -> None:
        self.tick = min(limit / _TICKS, _LONGEST_TICK)
        self._limit = limit
        self._signs = signs
        self._before = VitalSigns(0.0, 0, 0)
        self._idle = 0  # ticks

    def hung(self) -> bool:
        """Whether it did nothing for too long. Call this every `tick` seconds."""
        now, before = self._signs(), self._before
        if now is None:
            return False  # it has ended; its connection shows that
        self._before = VitalSigns(now.computed, now.transferred, max(now.memory, before.memory))
        active = (
            now.computed - before.computed >= _BUSY * self.tick
            or now.transferred > before.transferred
            or now.memory > before.memory
        )
        self._idle = 0 if active else self._idle + 1
        return self._idle * self.tick > self._limit
