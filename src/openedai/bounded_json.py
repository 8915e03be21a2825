"""Parses JSON from clients, up to a number of values.

No other thread runs while JSON is parsed. Objects, arrays and keys take up to a microsecond for
each of their few bytes, so the contents of a long text decide how long everything else stands
still.
"""

from __future__ import annotations

from typing import Any, Literal

# Items and members; values that are slow to create count as several. This is some 0.1 s of parsing,
# and more than the 300,000 tokens that the official API embeds at once.
MAX_VALUES = 500_000
_SLOW = 4  # an object, an array, the name of a member
_PIECE = 1 << 16  # bytes


class TooManyValues(ValueError):
    """The text was not parsed, because it has more than MAX_VALUES values."""

    def __init__(self) -> None:
        super().__init__(f"it has more than {MAX_VALUES} values")


Partial = Literal["off", "on", "trailing-strings"]


def read_json(text: str | bytes | bytearray, *, allow_partial: Partial = "off") -> Any:
    """The value of a JSON text, or of the beginning of one. Raises ValueError and, before parsing,
    TooManyValues.
    """
    from pydantic_core import from_json

    data = text.encode() if isinstance(text, str) else text
    if len(data) > MAX_VALUES // _SLOW and _values(data) > MAX_VALUES:
        raise TooManyValues
    partial: Any = False if allow_partial == "off" else allow_partial
    return from_json(data, allow_inf_nan=False, cache_strings="keys", allow_partial=partial)


def _values(data: bytes | bytearray) -> int:
    """How many values the text has, judged by what is outside strings. Stops counting at too
    many.
    """
    values, in_string, rest = 0, False, b""
    for start in range(0, len(data), _PIECE):
        piece = rest + data[start : start + _PIECE]
        rest = b""
        if in_string and b'"' not in piece and not piece.endswith(b"\\"):
            continue
        piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        if piece.endswith(b"\\"):
            piece, rest = piece[:-1], b"\\"
        parts = piece.split(b'"')
        outside = b"".join(parts[in_string::2])
        values += outside.count(b",") + _SLOW * sum(map(outside.count, (b":", b"[", b"{")))
        if values > MAX_VALUES:
            break
        in_string ^= len(parts) % 2 == 0
    return values
