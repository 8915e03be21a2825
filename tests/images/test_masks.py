"""Masks from files and from transparency, and what they protect."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops

from openedai.images.bad_image import BadImage
from openedai.images.decode import upright_png
from openedai.images.masks import composite, file_of_mask, mask_from_file, split_alpha
from tests.images.files import file_of, noise, pixels_of

LIMIT = 1 << 20
SIZE = (16, 12)
HOLE = (4, 3, 10, 8)
SOURCE = upright_png(file_of(noise(*SIZE)), LIMIT)


def with_hole(mode: str, outside: object, inside: object) -> Image.Image:
    image = Image.new(mode, SIZE, outside)  # type: ignore[arg-type]
    image.paste(inside, HOLE)  # type: ignore[arg-type]
    return image


EXPECTED = with_hole("L", 0, 255)


@pytest.mark.parametrize(
    "mask",
    [
        with_hole("RGBA", (0, 0, 0, 255), (0, 0, 0, 0)),
        with_hole("RGBA", (255, 255, 255, 255), (255, 255, 255, 0)),
        with_hole("LA", (255, 255), (0, 0)),
        with_hole("L", 0, 255),
        with_hole("1", 0, 1),
        with_hole("RGB", (0, 0, 0), (255, 255, 255)),
        with_hole("RGBA", (0, 0, 0, 255), (255, 255, 255, 255)),
    ],
    ids=lambda image: image.mode,
)
def test_a_file_as_a_mask(mask: Image.Image) -> None:
    made = pixels_of(mask_from_file(file_of(mask), SOURCE, LIMIT))
    assert made.mode == "L"
    assert made.tobytes() == EXPECTED.tobytes()


def test_half_transparent_is_half_a_change() -> None:
    mask = with_hole("RGBA", (0, 0, 0, 255), (0, 0, 0, 64))
    assert pixels_of(mask_from_file(file_of(mask), SOURCE, LIMIT)).getpixel((5, 5)) == 191


@pytest.mark.parametrize("size", [(15, 12), (12, 16), (1, 1), (160, 120)])
def test_a_mask_of_another_size(size: tuple[int, int]) -> None:
    raw = file_of(Image.new("L", size, 255))
    with pytest.raises(BadImage, match=f"{size[0]}x{size[1]} pixels.*16x12") as caught:
        mask_from_file(raw, SOURCE, LIMIT)
    assert caught.value.code == "invalid_value"


@pytest.mark.parametrize("mask", [Image.new("L", SIZE, 0), Image.new("RGBA", SIZE, "black")])
def test_a_mask_that_lets_nothing_change(mask: Image.Image) -> None:
    with pytest.raises(BadImage, match="lets nothing change"):
        mask_from_file(file_of(mask), SOURCE, LIMIT)


def test_a_mask_as_a_file_is_the_same_mask() -> None:
    file = file_of_mask(file_of(EXPECTED))
    assert pixels_of(mask_from_file(file, SOURCE, LIMIT)).tobytes() == EXPECTED.tobytes()


def test_the_transparent_part_of_an_image_is_its_mask() -> None:
    image = noise(*SIZE).convert("RGBA")
    image.putalpha(ImageChops.invert(EXPECTED))
    source, mask = split_alpha(upright_png(file_of(image), LIMIT))
    assert pixels_of(mask).tobytes() == EXPECTED.tobytes()
    assert pixels_of(source.data).tobytes() == noise(*SIZE).tobytes()
    assert not source.transparent


@pytest.mark.parametrize("source_mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("result_mode", ["RGB", "RGBA"])
def test_what_the_mask_protects_is_equal_to_the_pixel(source_mode: str, result_mode: str) -> None:
    source, result = noise(*SIZE, 1, source_mode), noise(*SIZE, 2, result_mode)
    made = pixels_of(composite(file_of(source), file_of(result), file_of(EXPECTED)))
    assert made.mode == ("RGBA" if "RGBA" in (source_mode, result_mode) else "RGB")
    expected = source.convert(made.mode)
    expected.paste(result.convert(made.mode).crop(HOLE), HOLE)
    assert made.tobytes() == expected.tobytes()


def test_a_result_of_another_size() -> None:
    source, result = Image.new("RGB", SIZE, "red"), Image.new("RGB", (32, 24), "blue")
    made = pixels_of(composite(file_of(source), file_of(result), file_of(EXPECTED)))
    assert made.size == (32, 24)
    assert made.getpixel((1, 1)) == (255, 0, 0)
    assert made.getpixel((12, 10)) == (0, 0, 255)
