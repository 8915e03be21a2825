"""A parser of server-sent events, for bytes in chunks of any size."""

from __future__ import annotations

MAX_EVENT = 4 << 20  # bytes
_DONE = b"[DONE]"


class EventTooLong(ValueError):
    """An event longer than the limit."""


class EventParser:
    """Gives the data of each event. `lines` counts all lines read, comments included."""

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self.lines = 0
        self._limit = limit
        self._rest: list[bytes] = []
        self._rest_size = 0
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that `chunk` completes. Raises EventTooLong."""
        self._rest.append(chunk)
        self._rest_size += len(chunk)
        events = []
        # Images make lines of many chunks, so they are joined only at a line break.
        for line in self._whole_lines() if b"\n" in chunk or b"\r" in chunk else ():
            self.lines += 1
            text = line.rstrip(b"\r\n")
            if text:
                self._add(text)
            elif self._data:
                events.append(self._take_event())
        if self._rest_size + self._size > self._limit:
            raise EventTooLong
        return events

    def end(self) -> list[bytes]:
        """The last event if no empty line ended it, as with many servers."""
        rest = b"".join(self._rest).rstrip(b"\r\n")
        self._keep(b"")
        if rest:
            self._add(rest)
        return [self._take_event()] if self._data else []

    def _whole_lines(self) -> list[bytes]:
        lines = b"".join(self._rest).splitlines(keepends=True)
        # A carriage return may be the first half of a line break.
        self._keep(lines.pop() if lines and not lines[-1].endswith(b"\n") else b"")
        return lines

    def _keep(self, rest: bytes) -> None:
        """Keep the beginning of a line."""
        self._rest = [rest] if rest else []
        self._rest_size = len(rest)

    def _add(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)

    def _take_event(self) -> bytes:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data, self._size = [], 0
        return data


def is_done(event: bytes) -> bool:
    """Whether it is the `[DONE]` that ends a stream."""
    return event.strip() == _DONE
