"""Images that are sent to a server and come back: their sizes, and what a mask protects."""

from __future__ import annotations

import base64
import binascii

from openedai.errors import InvalidRequest, invalid_value
from openedai.images.bad_image import BadImage
from openedai.images.decode import decode as decode_pixels
from openedai.images.decode import png_of
from openedai.images.encode import MAX_PIXELS
from openedai.images.masks import blend

Size = tuple[int, int]


def check_size(size: Size, max_pixels: int) -> None:
    """Raise InvalidRequest for more pixels than the server may be asked for."""
    width, height = size
    if width < 1 or height < 1:
        raise invalid_value("size", "it must have at least one pixel")
    if width * height > max_pixels:
        raise InvalidRequest(
            f"Invalid 'size': {width}x{height} has more than {max_pixels} pixels, the most that "
            "this model makes.",
            code="invalid_value",
            param="size",
        )


def whole_steps(size: Size, step: int = 8, least: int = 64) -> Size:
    """The size that a diffusion model computes for this one: each side is a multiple of some
    pixels.
    """
    width, height = (max(least, -(-side // step) * step) for side in size)
    return width, height


def finished(data: bytes, size: Size | None, source: bytes | None, mask: bytes | None) -> bytes:
    """The image that a server made, as a PNG, in `size` unless that is None. With a mask,
    what it protects is that of the source. Blocks. Raises BadImage.
    """
    from PIL import Image, ImageOps

    made = decode_pixels(data, MAX_PIXELS)
    image = made.image
    size = size or image.size
    if image.size == size and mask is None and made.exact and made.format == "PNG":
        return data
    if image.size != size and source is None:
        image = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    elif image.size != size:  # the source was stretched on its way there
        image = image.resize(size, Image.Resampling.LANCZOS)
    if source is not None and mask is not None:
        image = blend(image, source, mask)
    return png_of(image)


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    """Bytes from base64, or from a data URL. Raises BadImage."""
    try:
        return base64.b64decode(text.rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadImage("The image is not in base64.", code="invalid_base64_image") from error
