"""The lines of a file, read in windows: a file that is read for hours needs no open connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from openedai.store.files import FileRecord, Files

_WINDOW = 1 << 20
_MARK = b"\xef\xbb\xbf"  # a byte order mark


class LineSplitter:
    """Splits chunks into lines numbered from 1. Empty lines are left out.

    A line of more than `limit` bytes is None, and takes no memory.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending = bytearray()
        self._number = 1
        self._too_long = False

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes | None]]:
        """The lines that end in this chunk."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._add(part)
            yield from self._end()
            self._number += 1
        self._add(rest)

    def end(self) -> Iterator[tuple[int, bytes | None]]:
        """The last line, if the file does not end with a line break."""
        yield from self._end()

    def _add(self, part: bytes) -> None:
        self._too_long = self._too_long or len(self._pending) + len(part) > self._limit
        if self._too_long:
            self._pending.clear()
        else:
            self._pending += part

    def _end(self) -> Iterator[tuple[int, bytes | None]]:
        line = bytes(self._pending)
        if self._number == 1:
            line = line.removeprefix(_MARK)
        if self._too_long:
            yield self._number, None
        elif line.strip():
            yield self._number, line
        self._pending.clear()
        self._too_long = False


async def read_lines(
    files: Files, record: FileRecord, limit: int
) -> AsyncGenerator[tuple[int, bytes | None], None]:
    """The numbered lines of a file, as `LineSplitter` has them."""
    splitter = LineSplitter(limit)
    for start in range(0, record.bytes, _WINDOW):
        end = min(start + _WINDOW, record.bytes)
        async with aclosing(files.read(record, start, end)) as chunks:
            window = b"".join([chunk async for chunk in chunks])
        for line in splitter.feed(window):
            yield line
    for line in splitter.end():
        yield line
