"""The progress of a pull."""

from __future__ import annotations

from threading import Event
from typing import Protocol


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


class StoppableProgress(NoProgress):
    """Reports nothing, and ends the pull at its next chunk after `stop` is called."""

    def __init__(self) -> None:
        self._stopped = Event()

    def stop(self) -> None:
        self._stopped.set()

    def advance(self, n: int) -> None:
        if self._stopped.is_set():
            raise Stopped
