"""Decodes image files to pixels: upright, in RGB or RGBA, within limits. Everything here blocks.

Pillow is imported on first use. Of an animated file it is the first frame.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openedai.images.bad_image import BadImage
from openedai.images.formats import check_data, image_size, media_type

if TYPE_CHECKING:
    from PIL import Image

_ORIENTATION_TAG = 0x0112
_SOURCE_COMPRESSION = 1  # of a PNG that is only passed from one part to another
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True)
class ImageFile:
    """An image file. `transparent` says whether any of its pixels is not opaque."""

    data: bytes
    format: str
    width: int
    height: int
    transparent: bool = False


@dataclass(frozen=True)
class Decoded:
    """The pixels of a file, in RGB or RGBA. `exact` says whether the file has exactly these: the
    same mode, one frame, no rotation. `format` is Pillow's name for the file's format.
    """

    image: Image.Image
    format: str
    exact: bool


def upright_png(raw: bytes, max_pixels: int) -> ImageFile:
    """Any image file as a PNG in RGB or RGBA. Raises BadImage."""
    decoded = decode(raw, max_pixels)
    kept = decoded.exact and decoded.format == "PNG"
    data = raw if kept else png_of(decoded.image)
    width, height = decoded.image.size
    return ImageFile(data, "png", width, height, is_transparent(decoded.image))


def decode(raw: bytes, max_pixels: int) -> Decoded:
    """The pixels of an image file: PNG, JPEG, WebP, GIF or BMP. Raises BadImage."""
    detected = media_type(raw)
    _require_pixels(image_size(raw), max_pixels)
    check_data(raw)
    from PIL import Image

    # Damaged files raise exceptions of any class.
    try:
        with Image.open(io.BytesIO(raw), formats=[detected.removeprefix("image/")]) as opened:
            _require_pixels(opened.size, max_pixels)
            return _decoded(opened)
    except BadImage:
        raise
    except Exception as error:
        raise BadImage(
            "The image cannot be read: its data is damaged.", code="image_parse_error"
        ) from error


def opened(png: bytes) -> Image.Image:
    """The pixels of a PNG that this package made."""
    from PIL import Image

    image = Image.open(io.BytesIO(png), formats=["png"])
    image.load()
    return image


def png_of(image: Image.Image, compression: int = _SOURCE_COMPRESSION) -> bytes:
    """The image as a PNG, without metadata."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=compression)
    return file.getvalue()


def is_transparent(image: Image.Image) -> bool:
    """Whether any pixel of an image in RGB or RGBA is not opaque."""
    if image.mode != "RGBA":
        return False
    opaque = image.getchannel("A").histogram()[255]
    return opaque < image.width * image.height


def _require_pixels(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise BadImage(
            f"The image is too large: it has {width}x{height} pixels, and {max_pixels} pixels "
            "are allowed.",
            code="image_too_large",
        )


def _decoded(opened: Image.Image) -> Decoded:
    from PIL import ImageOps

    animated = getattr(opened, "is_animated", False)  # "n_frames" would read all of the file
    opened.load()
    converted = _in_rgb(opened)
    # Pillow reads it from the pixels' own file only.
    orientation = opened.getexif().get(_ORIENTATION_TAG, 1)
    if orientation != 1:
        converted.getexif()[_ORIENTATION_TAG] = orientation
        converted = ImageOps.exif_transpose(converted)
    exact = converted is opened and not animated
    converted.info.clear()
    return Decoded(converted, opened.format or "", exact)


def _in_rgb(image: Image.Image) -> Image.Image:
    """The image in RGB or RGBA; unchanged if it already is."""
    has_alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    mode = "RGBA" if has_alpha else "RGB"
    if image.mode == mode:
        return image
    if image.mode in _SIXTEEN_BIT:
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image.convert(mode)
