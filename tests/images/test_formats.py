"""Types and sizes of files, from other programs and of malicious ones."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openedai.images.bad_image import BadImage
from openedai.images.formats import check_data, image_size, media_type
from tests.media.images import FORMATS, picture, png

ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
SIDES = st.integers(1, 64)


def code_of(raw: bytes) -> str:
    """The code of the first check that refuses a file, or `none`."""
    try:
        media_type(raw)
        image_size(raw)
        check_data(raw)
    except BadImage as error:
        return error.code
    return "none"


@pytest.mark.parametrize(("kind", "expected"), FORMATS.items())
@given(width=SIDES, height=SIDES)
def test_every_format(kind: str, expected: str, width: int, height: int) -> None:
    raw = picture(width, height, kind=kind)
    assert media_type(raw) == expected
    assert image_size(raw) == (width, height)
    check_data(raw)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_mode_of_png(mode: str) -> None:
    raw = picture(33, 21, mode=mode)
    assert image_size(raw) == (33, 21)
    check_data(raw)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("JPEG", {"comment": "x" * 60_000, "exif": b"Exif\0\0" + b"\xff\xd8\xff" * 100}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0data", "lossless": True}),
        ("GIF", {"comment": b"x"}),
    ],
)
def test_metadata(kind: str, options: dict[str, Any]) -> None:
    raw = picture(300, 40, kind=kind, **options)
    assert image_size(raw) == (300, 40)
    check_data(raw)


@given(width=SIDES, height=SIDES, depth=st.sampled_from([1, 2, 4, 8, 16]), piece=st.integers(1, 99))
def test_interlaced_pngs(width: int, height: int, depth: int, piece: int) -> None:
    """Each of the seven passes has rows of its own; one byte less is too little."""
    total = 0
    for left, top, across, down in ADAM7:
        columns, rows = len(range(left, width, across)), len(range(top, height, down))
        total += rows * (1 + (columns * depth + 7) // 8) if columns else 0
    whole = zlib.compress(bytes(total))
    check_data(png(width, height, whole, depth=depth, colour=0, interlaced=1, piece=piece))
    short = zlib.compress(bytes(total - 1))
    assert code_of(png(width, height, short, depth=depth, colour=0, interlaced=1)) == (
        "image_parse_error"
    )


@pytest.mark.parametrize(
    "raw", [b"x", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"BM", b"RIFF1234WAVE"]
)
def test_files_that_are_not_images(raw: bytes) -> None:
    assert code_of(raw) == "invalid_image_format"


def test_an_empty_file() -> None:
    assert code_of(b"") == "empty_image_file"


@pytest.mark.parametrize("kind", FORMATS)
def test_files_cut_in_the_header(kind: str) -> None:
    whole = picture(kind=kind)
    for length in range(1, 10 if kind == "GIF" else 22):
        assert code_of(whole[:length]) in ("invalid_image_format", "image_parse_error")


@given(raw=st.sampled_from(sorted(FORMATS)), at=st.integers(0, 200), byte=st.integers(0, 255))
def test_a_damaged_byte(raw: str, at: int, byte: int) -> None:
    """The file is an image or a BadImage, never another error."""
    damaged = bytearray(picture(20, 20, kind=raw))
    damaged[at % len(damaged)] = byte
    try:
        assert min(image_size(bytes(damaged))) > 0
        check_data(bytes(damaged))
    except BadImage:
        pass


@pytest.mark.parametrize(
    "raw",
    [
        png(1, 1, zlib.compress(bytes(10 << 20))),
        png(8, 8, zlib.compress(bytes(8 * 25))[:-9] + b"damaged!!"),
        png(8, 8, zlib.compress(bytes(8 * 25))[:5]),
        png(8, 8, b""),
        png(8, 8, zlib.compress(bytes(8 * 25)), depth=3),
        png(8, 8, zlib.compress(bytes(8 * 25)), colour=5),
        png(0, 8, zlib.compress(bytes(8 * 25))),
        png(2, 2, zlib.compress(bytes(14)) + bytes(70_000), piece=1),
        b"\xff\xd8" + b"\xff\xfe\0\2" * 70_000,
        b"\xff\xd8\xff\xfe\0\2" + struct.pack(">BBHB", 0xFF, 0xDA, 8, 1) + bytes(99),
        b"\xff\xd8\xff\xfe\0\2no marker",
        picture(16, 16, kind="JPEG") + b"\xff\xda" * 300 + b"\xff\xd9",
        picture(16, 16, kind="JPEG")[:-2],
    ],
    ids=[
        "unpacks to too much",
        "damaged",
        "ends too early",
        "no data",
        "no such depth",
        "no such colour",
        "no width",
        "too many chunks",
        "too many segments",
        "no size",
        "no marker",
        "too many scans",
        "no end",
    ],
)
def test_malicious_files(raw: bytes) -> None:
    assert code_of(raw) == "image_parse_error"


@pytest.mark.parametrize("compression", [1, 2])
def test_a_bmp_with_run_lengths(compression: int) -> None:
    raw = bytearray(picture(8, 8, kind="BMP", mode="P"))
    raw[30] = compression
    assert code_of(bytes(raw)) == "invalid_image_format"


def test_the_aspect_ratio() -> None:
    assert image_size(picture(200, 1)) == (200, 1)
    assert code_of(picture(201, 1)) == "invalid_image"
    assert code_of(picture(1, 201)) == "invalid_image"
