"""Messages between a worker and the process that checks its grammars."""

from __future__ import annotations

from typing import IO

from openedai.contract.struct import Struct

_HEADER = 4  # bytes


class Written(Struct, frozen=True):
    """A grammar in Lark, or the error for it."""

    lark: str | None = None
    error: str = ""
    code: str | None = None
    param: str | None = None


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The next message; None at the end of the stream."""
    header = stream.read(_HEADER)
    if len(header) < _HEADER:
        return None
    size = int.from_bytes(header, "big")
    frame = stream.read(size)
    return frame if len(frame) == size else None


def write_frame(stream: IO[bytes], frame: bytes) -> None:
    stream.write(len(frame).to_bytes(_HEADER, "big") + frame)
    stream.flush()
