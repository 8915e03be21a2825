"""What engines made, in the formats and sizes that clients want."""

from __future__ import annotations

import pytest
from PIL import Image

from openedai.images.bad_image import BadImage
from openedai.images.encode import Output, convert
from tests.images.files import file_of, noise, pixels_of

TRANSPARENT = Image.new("RGBA", (4, 4), (255, 0, 0, 0))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_formats(format: str) -> None:
    made = convert(file_of(noise(20, 10)), Output(format=format))
    pixels = pixels_of(made.data)
    assert (made.format, made.width, made.height) == (format, 20, 10)
    assert (pixels.format, pixels.size) == (format.upper(), (20, 10))


def test_what_is_right_already_stays_as_it_is() -> None:
    png, jpeg = file_of(noise(8, 8)), file_of(noise(8, 8), "JPEG")
    assert convert(png, Output(size=(8, 8))).data is png
    assert convert(jpeg, Output(format="jpeg")).data is jpeg


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_compression(format: str) -> None:
    raw = file_of(noise(64, 64))
    sizes = [len(convert(raw, Output(format, quality)).data) for quality in (0, 50, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[1] < sizes[2] == len(convert(raw, Output(format)).data)


@pytest.mark.parametrize("format", ["png", "webp"])
def test_transparency_is_kept(format: str) -> None:
    made = convert(file_of(TRANSPARENT), Output(format=format))
    assert made.transparent
    assert pixels_of(made.data).getpixel((0, 0))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize("output", [Output(opaque=True), Output("jpeg"), Output("webp", 100, True)])
def test_an_opaque_ground_is_white(output: Output) -> None:
    made = convert(file_of(TRANSPARENT), output)
    assert not made.transparent
    assert pixels_of(made.data).convert("RGB").getpixel((1, 1)) == (255, 255, 255)


def test_another_size_is_scaled_and_cropped_not_stretched() -> None:
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (0, 0, 5, 20))
    made = convert(file_of(image), Output(size=(10, 10)))
    assert (made.width, made.height) == (10, 10)
    assert pixels_of(made.data).getcolors() == [(100, (255, 0, 0))]


def test_it_is_put_into_the_source() -> None:
    source, result = noise(8, 8, 1), noise(8, 8, 2)
    mask = Image.new("L", (8, 8), 0)
    mask.paste(255, (2, 2, 4, 4))
    output = Output(source=file_of(source), mask=file_of(mask))
    pixels = pixels_of(convert(file_of(result), output).data)
    assert pixels.crop((2, 2, 4, 4)).tobytes() == result.crop((2, 2, 4, 4)).tobytes()
    assert pixels.crop((0, 4, 8, 8)).tobytes() == source.crop((0, 4, 8, 8)).tobytes()


def test_no_image() -> None:
    with pytest.raises(BadImage):
        convert(b"<html>", Output())
