"""The type and size of an image file, read without decoding it into memory.

The engines decode in native code, so files that would take unlimited memory or time are refused
here: by the size in their header, and if their data unpacks to more than that size.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator
from typing import Literal

from openedai.images.bad_image import BadImage

ByteOrder = Literal["big", "little"]

SNIFF_BYTES = 32  # enough for every signature

_SIGNATURES: dict[str, re.Pattern[bytes]] = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBPVP8[ LX]", re.DOTALL),
    "image/bmp": re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the colour type of a PNG
# The interlacing passes of a PNG: first column and row, and the steps between columns and rows.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # of a JPEG
_SCAN_MARKER = 0xDA
_RUN_LENGTHS = (1, 2)  # kinds of compression of a BMP
_MAX_SCANS = 256  # a decoder reads the whole image for each
_MAX_CHUNKS = 1 << 16
_CHUNK_BYTES = 1 << 16
MAX_ASPECT_RATIO = 200


def media_type(raw: bytes) -> str:
    """The media type, from the first SNIFF_BYTES. Raises BadImage."""
    if not raw:
        raise BadImage("The image is empty.", code="empty_image_file")
    for name, signature in _SIGNATURES.items():
        if signature.match(raw):
            return name
    raise BadImage(
        "Unsupported image. It must be of one of these formats: PNG, JPEG, GIF, WebP, BMP.",
        code="invalid_image_format",
    )


def image_size(raw: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the file's header. Raises BadImage."""
    read = {
        "image/png": _png_size,
        "image/jpeg": _jpeg_size,
        "image/gif": _gif_size,
        "image/webp": _webp_size,
        "image/bmp": _bmp_size,
    }[media_type(raw)]
    width, height = read(raw)
    if not (width and height):
        raise _parse_error("it has no width or no height")
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise BadImage(
            f"The image has {width}x{height} pixels: one side may be {MAX_ASPECT_RATIO} times as "
            "long as the other, not more.",
            code="invalid_image",
        )
    return width, height


def check_data(raw: bytes) -> None:
    """Raise BadImage if the data does not match the size in the header.

    Takes as long as decompressing does.
    """
    detected = media_type(raw)
    if detected == "image/png":
        _check_png(raw)
    if detected == "image/jpeg":
        _check_jpeg(raw)
    if detected == "image/bmp":
        _check_bmp(raw)


def _parse_error(reason: str) -> BadImage:
    return BadImage(f"The image cannot be read: {reason}.", code="image_parse_error")


def _read_int(raw: bytes, offset: int, length: int, byteorder: ByteOrder = "little") -> int:
    found = raw[offset : offset + length]
    if len(found) < length:
        raise _parse_error("it ends too early")
    return int.from_bytes(found, byteorder)


def _png_size(raw: bytes) -> tuple[int, int]:
    if raw[12:16] != b"IHDR":
        raise _parse_error("it does not begin with its header")
    return _read_int(raw, 16, 4, "big"), _read_int(raw, 20, 4, "big")


def _jpeg_size(raw: bytes) -> tuple[int, int]:
    offset = 2
    for _ in range(_MAX_CHUNKS):
        if _read_int(raw, offset, 1) != 0xFF:
            raise _parse_error("there is no marker where one must be")
        marker = _read_int(raw, offset + 1, 1)
        if marker == 0xFF:  # padding
            offset += 1
        elif marker in _FRAME_MARKERS:
            return _read_int(raw, offset + 7, 2, "big"), _read_int(raw, offset + 5, 2, "big")
        elif marker == _SCAN_MARKER:
            raise _parse_error("it states no size")
        else:
            offset += 2 + max(2, _read_int(raw, offset + 2, 2, "big"))
    raise _parse_error("it has too many chunks")


def _gif_size(raw: bytes) -> tuple[int, int]:
    return _read_int(raw, 6, 2), _read_int(raw, 8, 2)


def _webp_size(raw: bytes) -> tuple[int, int]:
    """The largest size: an extended file states the size of its canvas and of each frame."""
    largest = (0, 0)
    for name, offset, _ in _chunks(raw, 12, "little"):
        found = (0, 0)
        if name == b"VP8 ":
            found = _read_int(raw, offset + 6, 2) & 0x3FFF, _read_int(raw, offset + 8, 2) & 0x3FFF
        elif name == b"VP8L":
            bits = _read_int(raw, offset + 1, 4)
            found = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        elif name == b"VP8X":
            found = _read_int(raw, offset + 4, 3) + 1, _read_int(raw, offset + 7, 3) + 1
        elif name == b"ANMF":
            found = _read_int(raw, offset + 6, 3) + 1, _read_int(raw, offset + 9, 3) + 1
        largest = max(largest, found, key=math.prod)
    return largest


def _bmp_size(raw: bytes) -> tuple[int, int]:
    if _read_int(raw, 14, 4) == 12:
        return _read_int(raw, 18, 2), _read_int(raw, 20, 2)
    width, height = _read_int(raw, 18, 4), _read_int(raw, 22, 4)
    return width, min(height, (1 << 32) - height)  # negative if the rows are stored top down


def _chunks(raw: bytes, offset: int, byteorder: ByteOrder) -> Iterator[tuple[bytes, int, int]]:
    """Name, offset of the body and its length of each chunk: of a PNG (big-endian) or a WebP."""
    for _ in range(_MAX_CHUNKS):
        if offset + 8 > len(raw):
            return
        first, second = raw[offset : offset + 4], raw[offset + 4 : offset + 8]
        name, length = (second, first) if byteorder == "big" else (first, second)
        number = int.from_bytes(length, byteorder)
        yield name, offset + 8, number
        offset += 12 + number if byteorder == "big" else 8 + number + number % 2
    raise _parse_error("it has too many chunks")


def _check_jpeg(raw: bytes) -> None:
    """Check a JPEG: a decoder pads truncated data, and takes hours for too many scans."""
    scan, end = b"\xff\xda", b"\xff\xd9"
    if raw.rfind(end) <= raw.rfind(scan):
        raise _parse_error("it ends too early")
    if raw.count(scan) > _MAX_SCANS:
        raise _parse_error("it has too many scans")


def _check_bmp(raw: bytes) -> None:
    """Check a BMP: decoders of run lengths take minutes for some files, or do not exist."""
    if _read_int(raw, 14, 4) != 12 and _read_int(raw, 30, 4) in _RUN_LENGTHS:
        raise BadImage("Compressed BMP files are not supported.", code="invalid_image_format")


def _check_png(raw: bytes) -> None:
    """Decompress it chunk by chunk, without keeping the output."""
    expected, unpacked = _png_unpacked_bytes(raw), 0
    inflater = zlib.decompressobj()
    try:
        for packed in _png_data_chunks(raw):
            rest, full = packed, True
            while full and unpacked <= expected + _CHUNK_BYTES and not inflater.eof:
                chunk = inflater.decompress(rest, _CHUNK_BYTES)
                unpacked += len(chunk)
                rest = inflater.unconsumed_tail
                full = len(chunk) == _CHUNK_BYTES
    except zlib.error:
        raise _parse_error("its data is damaged") from None
    if unpacked < expected:
        raise _parse_error("it ends too early")
    if unpacked > expected + _CHUNK_BYTES:
        raise _parse_error("its data unpacks to more than its size")


def _png_data_chunks(raw: bytes) -> Iterator[bytes]:
    for name, offset, length in _chunks(raw, 8, "big"):
        if name == b"IDAT":
            end = min(offset + length, len(raw))
            yield from (
                raw[start : min(start + _CHUNK_BYTES, end)]
                for start in range(offset, end, _CHUNK_BYTES)
            )


def _png_unpacked_bytes(raw: bytes) -> int:
    """Bytes of all rows, each with its filter byte."""
    width, height = _png_size(raw)
    depth, colour, interlaced = _read_int(raw, 24, 1), _read_int(raw, 25, 1), _read_int(raw, 28, 1)
    if depth not in (1, 2, 4, 8, 16) or colour not in _CHANNELS or interlaced > 1:
        raise _parse_error("its header is wrong")
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, column_step, row_step in passes:
        columns, rows = -(-(width - left) // column_step), -(-(height - top) // row_step)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * depth * _CHANNELS[colour] // 8))
    return total
