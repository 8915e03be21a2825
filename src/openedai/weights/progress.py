"""The progress of a pull."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("openedai.weights")

_PAUSE = 2.0  # seconds


class Progress(Protocol):
    """Called from the thread that pulls. To stop a pull, raise KeyboardInterrupt (or another
    BaseException that is not an Exception) from a method: downloads stay and are resumed.
    """

    def start(self, description: str, total: int | None) -> None:
        """A new step begins; `total` is its size in bytes, or None where it is unknown."""

    def advance(self, n: int) -> None:
        """`n` more bytes are done; negative when some must be fetched again."""


class NoProgress:
    """Reports nothing."""

    def start(self, description: str, total: int | None) -> None:
        pass

    def advance(self, n: int) -> None:
        pass


class Stopped(BaseException):
    """Ends a pull. It is not a failure."""


class LoggedProgress:
    """Writes a line for each step, and for each tenth of a step of known size, with a bar. Tenths
    that come within two seconds of the last line are left out, but for the last one.
    """

    def __init__(
        self,
        write: Callable[[str], None] = log.info,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._clock = clock
        self._written = 0.0
        self._description = ""
        self._total: int | None = None
        self._done = 0
        self._logged = 0

    def start(self, description: str, total: int | None) -> None:
        self._description, self._total = description, total
        self._done = self._logged = 0
        size = f" ({total / 1e6:,.0f} MB)" if total else ""
        self._say(f"{description}{size}")

    def advance(self, n: int) -> None:
        self._done += n
        tenths = 10 * self._done // self._total if self._total else 0
        soon = self._clock() - self._written < _PAUSE
        if tenths > self._logged and (tenths == 10 or not soon):
            self._logged = tenths
            self._say(f"{self._description} {_bar(tenths)} {10 * tenths} %")

    def _say(self, line: str) -> None:
        self._written = self._clock()
        self._write(line)


def _bar(tenths: int) -> str:
    return "█" * tenths + "░" * (10 - tenths)
