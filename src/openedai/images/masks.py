"""Masks: which parts of an image an edit may change. Everything here blocks.

A mask is a PNG in grey, of the size of its image: white may change, black must stay, and grey is a
blend of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openedai.images.bad_image import BadImage
from openedai.images.decode import ImageFile, decode, is_transparent, opened, png_of

if TYPE_CHECKING:
    from PIL import Image


def mask_from_file(raw: bytes, image: ImageFile, max_pixels: int) -> bytes:
    """A file as a mask for `image`: its transparent parts may change.

    In a file without transparency, the white parts. Raises BadImage for a file that cannot be read,
    has a different size, or lets nothing change.
    """
    mask = decode(raw, max_pixels).image
    if mask.size != (image.width, image.height):
        raise BadImage(
            f"The mask has {mask.width}x{mask.height} pixels, and the image has "
            f"{image.width}x{image.height}: both must have the same size.",
            code="invalid_value",
        )
    grey = _from_alpha(mask) if is_transparent(mask) else mask.convert("L")
    if grey.getextrema()[1] == 0:
        raise BadImage(
            "The mask lets nothing change: none of its pixels is transparent or white.",
            code="invalid_value",
        )
    return png_of(grey)


def file_of_mask(mask: bytes) -> bytes:
    """A mask as a file for another server: what may change is transparent, and white too."""
    from PIL import Image, ImageChops

    grey = opened(mask).convert("L")
    return png_of(Image.merge("LA", (grey, ImageChops.invert(grey))).convert("RGBA"))


def split_alpha(image: ImageFile) -> tuple[ImageFile, bytes]:
    """A transparent image without its transparency, and its transparent parts as a mask."""
    pixels = opened(image.data)
    return _without_alpha(image, pixels), png_of(_from_alpha(pixels))


def composite(source: bytes, result: bytes, mask: bytes) -> bytes:
    """The PNG `result` where the mask is white, and the PNG `source` where it is black.

    The parts under black equal the source to the pixel, if the result has its size. Otherwise
    source and mask are scaled to the result's.
    """
    return png_of(blend(opened(result), source, mask))


def blend(result: Image.Image, source: bytes, mask: bytes) -> Image.Image:
    """As `composite`, of pixels in RGB or RGBA."""
    from PIL import Image

    below, grey = opened(source), opened(mask)
    if below.size != result.size:
        below = below.resize(result.size, Image.Resampling.LANCZOS)
        grey = grey.resize(result.size, Image.Resampling.NEAREST)
    mode = "RGBA" if "RGBA" in (below.mode, result.mode) else "RGB"
    return Image.composite(result.convert(mode), below.convert(mode), grey)


def _from_alpha(image: Image.Image) -> Image.Image:
    from PIL import ImageChops

    return ImageChops.invert(image.getchannel("A"))


def _without_alpha(image: ImageFile, pixels: Image.Image) -> ImageFile:
    return ImageFile(png_of(pixels.convert("RGB")), "png", image.width, image.height)
