"""What a file is and how large its picture, by the file itself; nothing is decoded into memory.

The engines decode in native code. So what would make that take endless memory or time is found
here: sizes that the head of the file states, and data that unpacks to more than it states.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from openedai.media.problem import BadImage

SNIFFED = 32  # bytes that tell every type

_SIGNATURES: dict[str, re.Pattern[bytes]] = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBPVP8[ LX]", re.DOTALL),
    "image/bmp": re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG, by its type of colour
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # a JPEG's headers with its size
_SCAN = 0xDA
_MOST_SCANS = 256  # each goes through the whole picture again
_MOST_PIECES = 1 << 16
_PIECE = 1 << 16
_MOST_LOPSIDED = 200


def media_type(raw: bytes) -> str:
    """By the first bytes. Raises BadImage."""
    if not raw:
        raise BadImage("The image is empty.", code="empty_image_file")
    for kind, signature in _SIGNATURES.items():
        if signature.match(raw):
            return kind
    raise BadImage(
        "Unsupported image. It must be of one of these formats: PNG, JPEG, GIF, WebP, BMP.",
        code="invalid_image_format",
    )


def size(raw: bytes) -> tuple[int, int]:
    """Width and height, as the file's head states them. Raises BadImage."""
    read = {
        "image/png": _png_size,
        "image/jpeg": _jpeg_size,
        "image/gif": _gif_size,
        "image/webp": _webp_size,
        "image/bmp": _bmp_size,
    }[media_type(raw)]
    width, height = read(raw)
    if not (width and height):
        raise _broken("it has no width or no height")
    if max(width, height) > _MOST_LOPSIDED * min(width, height):
        raise BadImage(
            f"The image has {width}x{height} pixels: one side may be {_MOST_LOPSIDED} times as "
            "long as the other, not more.",
            code="invalid_image",
        )
    return width, height


def check_data(raw: bytes) -> None:
    """Raise BadImage if the data cannot be that of a picture of the stated size.

    Takes as long as unpacking does.
    """
    kind = media_type(raw)
    if kind == "image/png":
        _check_png(raw)
    if kind == "image/jpeg":
        _check_jpeg(raw)


def _broken(why: str) -> BadImage:
    return BadImage(f"The image cannot be read: {why}.", code="image_parse_error")


def _number(raw: bytes, at: int, length: int, *, big: bool = False) -> int:
    found = raw[at : at + length]
    if len(found) < length:
        raise _broken("it ends too early")
    return int.from_bytes(found, "big" if big else "little")


def _png_size(raw: bytes) -> tuple[int, int]:
    if raw[12:16] != b"IHDR":
        raise _broken("it does not begin with its header")
    return _number(raw, 16, 4, big=True), _number(raw, 20, 4, big=True)


def _jpeg_size(raw: bytes) -> tuple[int, int]:
    at = 2
    for _ in range(_MOST_PIECES):
        if _number(raw, at, 1) != 0xFF:
            raise _broken("there is no marker where one must be")
        marker = _number(raw, at + 1, 1)
        if marker == 0xFF:  # it fills up
            at += 1
        elif marker in _FRAMES:
            return _number(raw, at + 7, 2, big=True), _number(raw, at + 5, 2, big=True)
        elif marker == _SCAN:
            raise _broken("it states no size")
        else:
            at += 2 + max(2, _number(raw, at + 2, 2, big=True))
    raise _broken("it is in too many pieces")


def _gif_size(raw: bytes) -> tuple[int, int]:
    return _number(raw, 6, 2), _number(raw, 8, 2)


def _webp_size(raw: bytes) -> tuple[int, int]:
    """The largest that is stated anywhere: an extended file has a canvas and frames."""
    largest = (0, 0)
    for name, at, _ in _chunks(raw, 12, big=False):
        found = (0, 0)
        if name == b"VP8 ":
            found = _number(raw, at + 6, 2) & 0x3FFF, _number(raw, at + 8, 2) & 0x3FFF
        elif name == b"VP8L":
            bits = _number(raw, at + 1, 4)
            found = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        elif name == b"VP8X":
            found = _number(raw, at + 4, 3) + 1, _number(raw, at + 7, 3) + 1
        elif name == b"ANMF":
            found = _number(raw, at + 6, 3) + 1, _number(raw, at + 9, 3) + 1
        largest = max(largest, found, key=lambda both: both[0] * both[1])
    return largest


def _bmp_size(raw: bytes) -> tuple[int, int]:
    if _number(raw, 14, 4) == 12:
        return _number(raw, 18, 2), _number(raw, 20, 2)
    width, height = _number(raw, 18, 4), _number(raw, 22, 4)
    return width, min(height, (1 << 32) - height)  # negative where the first row is the top


def _chunks(raw: bytes, at: int, *, big: bool) -> Iterator[tuple[bytes, int, int]]:
    """The name of each, where its body begins, and its length: of a PNG (`big`) or a WebP."""
    for _ in range(_MOST_PIECES):
        if at + 8 > len(raw):
            return
        first, second = raw[at : at + 4], raw[at + 4 : at + 8]
        name, length = (second, first) if big else (first, second)
        number = int.from_bytes(length, "big" if big else "little")
        yield name, at + 8, number
        at += 12 + number if big else 8 + number + number % 2
    raise _broken("it is in too many pieces")


def _check_jpeg(raw: bytes) -> None:
    """A decoder would fill up what is missing, and would take hours for what is too much."""
    scan, end = b"\xff\xda", b"\xff\xd9"
    if raw.rfind(end) <= raw.rfind(scan):
        raise _broken("it ends too early")
    if raw.count(scan) > _MOST_SCANS:
        raise _broken("it has too many scans")


def _check_png(raw: bytes) -> None:
    """Unpack it piece by piece, and keep nothing."""
    expected, unpacked = _unpacked_png(raw), 0
    inflater = zlib.decompressobj()
    try:
        for packed in _png_data(raw):
            rest, full = packed, True
            while full and unpacked <= expected + _PIECE and not inflater.eof:
                piece = inflater.decompress(rest, _PIECE)
                unpacked += len(piece)
                rest = inflater.unconsumed_tail
                full = len(piece) == _PIECE
    except zlib.error:
        raise _broken("its data is damaged") from None
    if unpacked < expected:
        raise _broken("it ends too early")
    if unpacked > expected + _PIECE:
        raise _broken("its data unpacks to more than its size")


def _png_data(raw: bytes) -> Iterator[bytes]:
    for name, at, length in _chunks(raw, 8, big=True):
        if name == b"IDAT":
            end = min(at + length, len(raw))
            yield from (raw[start : min(start + _PIECE, end)] for start in range(at, end, _PIECE))


def _unpacked_png(raw: bytes) -> int:
    """Bytes of all rows, each with one that names its filter."""
    width, height = _png_size(raw)
    depth, colour, interlaced = _number(raw, 24, 1), _number(raw, 25, 1), _number(raw, 28, 1)
    if depth not in (1, 2, 4, 8, 16) or colour not in _CHANNELS or interlaced > 1:
        raise _broken("its header is wrong")
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * depth * _CHANNELS[colour] // 8))
    return total
