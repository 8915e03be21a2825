"""Files that cannot be edited: a clear 400, in bounded memory and time."""

from __future__ import annotations

import io
import json
import zlib
from typing import Any

import aiohttp
import psutil
import pytest
from PIL import Image

from openedai.serving.images.inputs import MAX_FILE_BYTES
from tests.api.openai.images.answers import post, refusal
from tests.images.files import file_of, noise
from tests.media.images import data_url, png
from tests.support import Running, fetch

RAW = file_of(noise(24, 16))
MASK = file_of(Image.new("L", (24, 16), 255))


def form(
    server: Running, *parts: tuple[str, bytes | str], path: str = "edits", model: str = "echo"
) -> tuple[int, dict[str, Any]]:
    """Status and body of a form: bytes are files."""
    data = aiohttp.FormData({"model": model}, default_to_multipart=True)
    for name, value in parts:
        if isinstance(value, bytes):
            data.add_field(name, io.BytesIO(value), filename="../a.png")
        else:
            data.add_field(name, value)
    answer = fetch(f"{server.url}/v1/images/{path}", "POST", data=data)
    return answer.status, json.loads(answer.body)


PROMPT = ("prompt", "a hat")


BAD_FILES = {
    "empty": (b"", "empty_image_file"),
    "text": (b"hello", "invalid_image_format"),
    "PDF": (b"%PDF-1.7", "invalid_image_format"),
    "TIFF": (file_of(noise(8, 8), "TIFF"), "invalid_image_format"),
    "ICO": (file_of(noise(8, 8), "ICO"), "invalid_image_format"),
    "truncated PNG": (RAW[:-40], "image_parse_error"),
    "truncated JPEG": (file_of(noise(64, 64), "JPEG")[:-500], "image_parse_error"),
    "truncated WebP": (file_of(noise(64, 64), "WEBP")[:-500], "image_parse_error"),
    "bomb of bytes": (png(24, 16, zlib.compress(b"\0" * (20 << 20))), "image_parse_error"),
    "bomb of pixels": (png(60_000, 60_000, zlib.compress(b"\0" * 1000)), "image_too_large"),
    "too large": (file_of(Image.new("1", (10_000, 6000))), "image_too_large"),
    "too wide": (file_of(Image.new("L", (400, 1))), "invalid_image"),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize(
    ("path", "param"), [("edits", "image"), ("edits", "mask"), ("variations", "image")]
)
def test_bad_files(echo_server: Running, name: str, path: str, param: str) -> None:
    raw, code = BAD_FILES[name]
    parts: dict[str, bytes | str] = {param: raw}
    if path == "edits":
        parts = {"image": RAW, "prompt": "a hat", **parts}
    assert refusal(*form(echo_server, *parts.items(), path=path)) == (400, code, param)


@pytest.mark.parametrize(
    "raw",
    [
        file_of(Image.new("CMYK", (9, 9)), "JPEG"),
        file_of(Image.new("I;16", (9, 9), 40_000)),
        file_of(Image.new("P", (9, 9), 3), "GIF"),
        file_of(noise(9, 9), "WEBP"),
        file_of(noise(9, 9), "BMP"),
        file_of(noise(9, 9), "GIF", save_all=True, append_images=[noise(9, 9, 2)]),
        file_of(noise(9, 9), "WEBP", save_all=True, append_images=[noise(9, 9, 2)]),
        file_of(noise(9, 9), "PNG", save_all=True, append_images=[noise(9, 9, 2)]),
    ],
    ids=["CMYK", "16 bits", "palette", "WebP", "BMP", "GIFs", "WebPs", "PNGs"],
)
def test_unusual_files(echo_server: Running, raw: bytes) -> None:
    status, answer = form(echo_server, PROMPT, ("image", raw), model="gpt-image-1")
    assert (status, answer.get("size")) == (200, "9x9")


def test_one_pixel(echo_server: Running) -> None:
    one = file_of(Image.new("1", (1, 1), 1))
    status, answer = form(echo_server, PROMPT, ("image", one), ("mask", one), model="gpt-image-1")
    assert (status, answer.get("size")) == (200, "1x1")


def test_a_rotated_photo_and_its_mask(echo_server: Running) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = file_of(noise(24, 16), "JPEG", exif=exif)
    upright, lying = (file_of(Image.new("L", size, 255)) for size in ((16, 24), (24, 16)))
    status, answer = form(echo_server, PROMPT, ("image", photo), ("mask", upright))
    assert (status, answer.get("size")) == (200, "16x24")
    refused = form(echo_server, PROMPT, ("image", photo), ("mask", lying))
    assert refusal(*refused) == (400, "invalid_value", "mask")


@pytest.mark.parametrize(
    "mask",
    [
        file_of(Image.new("L", (16, 24), 255)),
        file_of(Image.new("L", (48, 32), 255)),
        file_of(Image.new("L", (24, 16), 0)),
        file_of(Image.new("RGBA", (24, 16), "black")),
    ],
    ids=["turned", "scaled", "black", "opaque"],
)
def test_bad_masks(echo_server: Running, mask: bytes) -> None:
    answer = form(echo_server, PROMPT, ("image", RAW), ("mask", mask))
    assert refusal(*answer) == (400, "invalid_value", "mask")


def test_the_bad_one_of_several_images_is_named(echo_server: Running) -> None:
    answer = form(echo_server, PROMPT, *[("image[]", RAW)] * 2, ("image[]", RAW[:50]))
    assert refusal(*answer) == (400, "image_parse_error", "image[2]")


def test_the_pixels_of_all_images_count_together(echo_server: Running) -> None:
    large = file_of(Image.new("1", (5000, 5000)))
    answer = form(echo_server, PROMPT, *[("image[]", large)] * 3)
    assert refusal(*answer) == (400, "image_too_large", "image[2]")


@pytest.mark.parametrize(
    ("parts", "code", "param"),
    [
        ([PROMPT], "missing_required_parameter", "image"),
        ([("image", RAW)], "missing_required_parameter", "prompt"),
        ([("prompt", ""), ("image", RAW)], "string_below_min_length", "prompt"),
        ([PROMPT, ("image", "cat.png")], "invalid_type", "image[0]"),
        ([PROMPT, *[("image[]", RAW)] * 17], "array_above_max_length", "image"),
        ([PROMPT, ("image", RAW), ("mask", "x")], "invalid_type", "mask"),
        ([PROMPT, ("image", RAW), ("mask", MASK), ("mask", MASK)], "invalid_type", "mask"),
        ([PROMPT, ("image", RAW), ("n", "11")], "integer_above_max_value", "n"),
        ([PROMPT, ("image", RAW), ("n", "two")], "invalid_type", "n"),
        ([PROMPT, ("image", RAW), ("size", "1x1")], "invalid_value", "size"),
        ([PROMPT, ("image", RAW), ("strength", "2")], "decimal_above_max_value", "strength"),
        ([PROMPT, ("image", RAW), ("markup", RAW)], "unsupported_parameter", "markup"),
        ([PROMPT, ("image", RAW), ("output_format", "gif")], "unsupported_value", "output_format"),
        ([PROMPT, ("image", RAW), ("svg[model]", "m")], "unsupported_parameter", "svg"),
        ([PROMPT, ("image", RAW), ("other", RAW)], "unknown_parameter", "other"),
        ([PROMPT, ("image", RAW), ("style", "vivid")], "unknown_parameter", "style"),
    ],
)
def test_bad_forms(
    echo_server: Running, parts: list[tuple[str, bytes | str]], code: str, param: str
) -> None:
    assert refusal(*form(echo_server, *parts)) == (400, code, param)


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({}, "missing_required_parameter", "image"),
        ({"images": []}, "array_below_min_length", "images"),
        ({"images": [{}]}, "missing_required_parameter", "images[0].image_url"),
        (
            {"images": [{"file_id": "file-1", "image_url": data_url(RAW)}]},
            "invalid_value",
            "images[0].file_id",
        ),
        ({"images": "x"}, "invalid_type", "images"),
        ({"image": data_url(RAW)}, "invalid_type", "image"),
        ({"images": [{"image_url": "x"}]}, "invalid_image_url", "images[0].image_url"),
        (
            {"images": [{"image_url": data_url(RAW)}, {"image_url": data_url(RAW[:50])}]},
            "image_parse_error",
            "images[1].image_url",
        ),
        (
            {"images": [{"image_url": data_url(RAW)}], "mask": {"image_url": data_url(b"x")}},
            "invalid_image_format",
            "mask.image_url",
        ),
        (
            {"images": [{"image_url": "http://127.0.0.1:9/a.png"}]},
            "invalid_image_url",
            "images[0].image_url",
        ),
    ],
)
def test_bad_references(
    echo_server: Running, change: dict[str, Any], code: str, param: str
) -> None:
    answer = post(echo_server, "edits", {"prompt": "a hat", "model": "echo", **change})
    assert refusal(*answer) == (400, code, param)


def test_variations_are_forms(echo_server: Running) -> None:
    status, answer = post(echo_server, "variations", {"image": "x"})
    assert refusal(status, answer) == (415, "unsupported_content_type", None)


def test_a_file_of_more_than_50_mib(echo_server: Running) -> None:
    answer = form(echo_server, PROMPT, ("image", RAW + bytes(MAX_FILE_BYTES)))
    assert refusal(*answer) == (400, "image_file_too_large", "image")


def test_large_files_take_bounded_memory(echo_server: Running) -> None:
    """A file of 48 MiB, whose pixels are as large as allowed."""
    raw = file_of(Image.new("RGB", (5000, 3000), "red"), compress_level=0)
    assert 40 << 20 < len(raw) < MAX_FILE_BYTES
    before = psutil.Process().memory_info().rss
    for _ in range(3):
        status, answer = form(echo_server, PROMPT, ("image", raw), ("size", "64x64"))
        assert (status, answer["size"]) == (200, "64x64")
    assert psutil.Process().memory_info().rss - before < 400 << 20
