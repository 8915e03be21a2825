"""Texts inside ids and opaque fields: clients send them back, so that nothing has to be stored."""

from __future__ import annotations

import base64
import binascii
import zlib

_MAX_TEXT = 1 << 20  # bytes


def pack(prefix: str, text: str) -> str:
    """The prefix and the text, compressed."""
    packed = zlib.compress(text.encode("utf-8", "surrogatepass"), 9)
    return prefix + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def unpack(prefix: str, value: str) -> str | None:
    """The text of a value of `pack`; None for any other value."""
    if not value.startswith(prefix):
        return None
    packed = value.removeprefix(prefix)
    unpacker = zlib.decompressobj()
    try:
        raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        text = unpacker.decompress(raw, _MAX_TEXT).decode("utf-8", "surrogatepass")
    except (binascii.Error, zlib.error, ValueError):
        return None
    return text if unpacker.eof else None
