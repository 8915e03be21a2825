"""Image files, valid and malicious ones."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

from PIL import Image

FORMATS = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
}
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def picture(
    width: int = 8,
    height: int = 8,
    colour: tuple[int, int, int] = RED,
    *,
    kind: str = "PNG",
    mode: str = "RGB",
    pixels: bytes | None = None,
    **options: Any,
) -> bytes:
    """An image file as Pillow writes it: of one colour, or with these RGB pixels."""
    file = io.BytesIO()
    if pixels is None:
        drawn = Image.new("RGB", (width, height), colour)
    else:
        drawn = Image.frombytes("RGB", (width, height), pixels)
    drawn.convert(mode).save(file, kind, **options)
    return file.getvalue()


def data_url(raw: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(raw).decode()}"


def png(
    width: int,
    height: int,
    data: bytes,
    *,
    depth: int = 8,
    colour: int = 2,
    interlaced: int = 0,
    piece: int = 1 << 20,
) -> bytes:
    """A PNG with this header, and with the compressed `data` in chunks of `piece` bytes."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    pieces = [data[start : start + piece] for start in range(0, len(data), piece)]
    chunks = [(b"IHDR", head), *((b"IDAT", one) for one in pieces), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
