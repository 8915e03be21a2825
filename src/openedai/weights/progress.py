"""How a pull tells what it does."""

from __future__ import annotations

from threading import Event
from typing import Protocol


class Progress(Protocol):
    """Told from the thread that pulls. To stop a pull, raise KeyboardInterrupt (or another
    exception that is no `Exception`) from a method: what was downloaded stays and is resumed.
    """

    def start(self, description: str, total: int | None) -> None:
        """A new step begins; `total` is its size in bytes, or None where that is not known."""

    def advance(self, n: int) -> None:
        """`n` more bytes are done; negative when a piece must be fetched again."""


class NoProgress:
    """Tells nobody."""

    def start(self, description: str, total: int | None) -> None:
        pass

    def advance(self, n: int) -> None:
        pass


class Stopped(BaseException):
    """Ends a pull, and is no failure of it."""


class StoppableProgress(NoProgress):
    """Tells nobody, and ends the pull at its next step once `stop` is called."""

    def __init__(self) -> None:
        self._stopped = Event()

    def stop(self) -> None:
        self._stopped.set()

    def advance(self, n: int) -> None:
        if self._stopped.is_set():
            raise Stopped
