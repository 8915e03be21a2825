"""Server-sent events out of bytes as they arrive, however they are cut."""

from __future__ import annotations

MAX_EVENT = 4 << 20  # bytes
_DONE = b"[DONE]"


class TooLong(ValueError):
    """An event that is longer than any true one."""


class EventParser:
    """Gives the data of each event. `lines` counts the lines seen, comments too."""

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self.lines = 0
        self._limit = limit
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of every event that `piece` completes. Raises TooLong."""
        lines = (self._rest + piece).splitlines(keepends=True)
        self._rest = b""
        # A carriage return may be the first half of a line's end.
        if lines and not lines[-1].endswith(b"\n"):
            self._rest = lines.pop()
        events = []
        for line in lines:
            self.lines += 1
            text = line.rstrip(b"\r\n")
            if text:
                self._add(text)
            elif self._data:
                events.append(self._taken())
        if len(self._rest) + self._size > self._limit:
            raise TooLong
        return events

    def end(self) -> list[bytes]:
        """What an end without an empty line leaves, which many servers write."""
        rest, self._rest = self._rest.rstrip(b"\r\n"), b""
        if rest:
            self._add(rest)
        return [self._taken()] if self._data else []

    def _add(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)

    def _taken(self) -> bytes:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data, self._size = [], 0
        return data


def is_done(event: bytes) -> bool:
    return event.strip() == _DONE
