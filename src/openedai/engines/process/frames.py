"""The frames of a connection, read and written by a process without an event loop."""

from __future__ import annotations

from typing import IO

_HEADER = 4  # bytes


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The body of the next frame; None at the end of the stream."""
    header = stream.read(_HEADER)
    if len(header) < _HEADER:
        return None
    size = int.from_bytes(header, "big")
    frame = stream.read(size)
    return frame if len(frame) == size else None


def write_frame(stream: IO[bytes], frame: bytes) -> None:
    stream.write(len(frame).to_bytes(_HEADER, "big") + frame)
    stream.flush()
