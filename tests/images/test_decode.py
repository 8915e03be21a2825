"""Every kind of file becomes an upright PNG in RGB or RGBA, or a clear error."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from openedai.images.bad_image import BadImage
from openedai.images.decode import upright_png
from tests.images.files import file_of, noise, pixels_of
from tests.media.images import png

LIMIT = 1 << 20
ORIENTATION = 0x0112


def code_of(raw: bytes, limit: int = LIMIT) -> str:
    with pytest.raises(BadImage) as caught:
        upright_png(raw, limit)
    assert "PIL" not in caught.value.message
    return caught.value.code


def outcome(raw: bytes) -> str:
    """`read`, or the code of the error."""
    try:
        upright_png(raw, LIMIT)
    except BadImage as error:
        return error.code
    return "read"


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "JPEG"])
def test_every_format(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    made = upright_png(file_of(Image.new("RGB", (5, 3), (255, 0, 0)), kind, **options), LIMIT)
    pixels = pixels_of(made.data)
    assert (made.format, made.width, made.height, made.transparent) == ("png", 5, 3, False)
    assert (pixels.format, pixels.mode, pixels.size) == ("PNG", "RGB", (5, 3))
    red, green, blue = pixels.getpixel((2, 1))  # type: ignore[misc]
    assert red > 250
    assert max(green, blue) < 5


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB"])
def test_every_opaque_mode_of_a_png(mode: str) -> None:
    grey = Image.new(mode, (2, 2), 0xFFFF) if mode == "I;16" else Image.new("L", (2, 2), 255)
    made = upright_png(file_of(grey.convert(mode)), LIMIT)
    pixels = pixels_of(made.data)
    assert (pixels.mode, pixels.getpixel((0, 0)), made.transparent) == ("RGB", (255,) * 3, False)


def test_16_bits_keep_their_brightness() -> None:
    made = upright_png(file_of(Image.new("I;16", (2, 2), 0x8040)), LIMIT)
    assert pixels_of(made.data).getpixel((0, 0)) == (0x80,) * 3


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_modes_with_alpha(mode: str, alpha: int) -> None:
    image = Image.new("L", (2, 2), 7).convert(mode)
    image.putalpha(alpha)
    made = upright_png(file_of(image), LIMIT)
    assert pixels_of(made.data).getpixel((1, 1)) == (7, 7, 7, alpha)
    assert made.transparent == (alpha < 255)


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_a_transparent_colour_of_a_palette(kind: str) -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([9, 9, 9, 0, 255, 0])
    image.putpixel((0, 0), 0)
    made = upright_png(file_of(image, kind, transparency=1), LIMIT)
    pixels = pixels_of(made.data)
    assert (pixels.getpixel((0, 0)), made.transparent) == ((9, 9, 9, 255), True)
    assert pixels.getpixel((1, 1)) == (0, 255, 0, 0)


def test_cmyk() -> None:
    made = upright_png(file_of(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), LIMIT)
    red, green, blue = pixels_of(made.data).getpixel((0, 0))  # type: ignore[misc]
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_file_is_turned_upright(kind: str, orientation: int) -> None:
    image = Image.new("RGB", (32, 16), "black")
    image.paste("white", (0, 0, 16, 8))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    made = upright_png(file_of(image, kind, exif=exif, quality=100), LIMIT)
    pixels = pixels_of(made.data)
    assert (made.width, made.height) == pixels.size
    assert pixels.size == ((32, 16) if orientation < 5 else (16, 32))
    right = orientation in (2, 3, 6, 7)
    bottom = orientation in (3, 4, 7, 8)
    x, y = pixels.width * (3 if right else 1) // 4, pixels.height * (3 if bottom else 1) // 4
    assert pixels.convert("L").getpixel((x, y)) == 255
    assert pixels.getexif().get(ORIENTATION, 1) == 1


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    raw = file_of(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    pixels = pixels_of(upright_png(raw, LIMIT).data)
    assert (pixels.getpixel((0, 0)), getattr(pixels, "n_frames", 1)) == ((255, 0, 0), 1)


def test_the_other_frames_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    sought = []
    seek = GifImageFile._seek

    def record(file: GifImageFile, frame: int, update_image: bool = True) -> None:
        sought.append(frame)
        seek(file, frame, update_image)

    monkeypatch.setattr(GifImageFile, "_seek", record)
    frames = [Image.new("L", (4, 4), grey) for grey in range(20)]
    upright_png(file_of(frames[0], "GIF", save_all=True, append_images=frames[1:]), LIMIT)
    assert max(sought) <= 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_png_in_the_right_mode_is_kept(mode: str) -> None:
    raw = file_of(noise(9, 9, mode=mode))
    assert upright_png(raw, LIMIT).data is raw


def test_one_pixel() -> None:
    assert upright_png(file_of(Image.new("1", (1, 1))), LIMIT).width == 1


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty_image_file"),
        (b"hello", "invalid_image_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "invalid_image_format"),
        (b"\x89PNG\r\n\x1a\n", "image_parse_error"),
        (b"GIF89a", "image_parse_error"),
        (b"BM" + b"\0" * 12 + b"\x28\0\0\0" + b"\xff" * 40, "invalid_image"),
    ],
)
def test_files_that_are_no_images(raw: bytes, code: str) -> None:
    assert code_of(raw, 1 << 62) == code


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_truncated_files(kind: str) -> None:
    raw = file_of(noise(64, 64), kind)
    for share in (0.1, 0.5, 0.9):
        assert code_of(raw[: int(len(raw) * share)]) == "image_parse_error"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_damaged_files_are_read_or_refused(kind: str) -> None:
    raw = file_of(noise(16, 16), kind)
    for position in range(0, len(raw), max(1, len(raw) // 97)):
        damaged = bytearray(raw)
        damaged[position] ^= 0xFF
        assert outcome(bytes(damaged)).startswith(("read", "image_", "invalid_image"))


def test_more_pixels_than_allowed_are_not_decoded() -> None:
    raw = png(20_000, 20_000, zlib.compress(b"\0" * 1000))
    tracemalloc.start()
    assert code_of(raw, 399_999_999) == "image_too_large"
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert code_of(raw, 400_000_000) == "image_parse_error"


def test_a_gif_whose_frame_is_larger_than_it_states() -> None:
    raw = bytearray(file_of(noise(600, 600), "GIF"))
    raw[6:10] = b"\x04\0\x04\0"
    assert code_of(bytes(raw), 10_000) == "image_too_large"
