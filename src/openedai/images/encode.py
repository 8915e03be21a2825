"""Converts images that an engine made to what a client wants. Everything here blocks."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openedai.images.decode import Decoded, ImageFile, decode, is_transparent
from openedai.images.masks import blend

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 64 << 20  # of an image that an engine made
_PNG_COMPRESSION = 6


@dataclass(frozen=True)
class Output:
    """The format and size that an image is converted to.

    `format` is png, jpeg or webp, and `compression` the quality of the last two, 0 to 100.
    `opaque` puts a white ground behind transparent parts; JPEG always has it. `size` None is that
    of the image. With `source` and `mask`, the image is put into the source as `composite` does.
    """

    format: str = "png"
    compression: int | None = None
    opaque: bool = False
    size: tuple[int, int] | None = None
    source: bytes | None = None
    mask: bytes | None = None


def convert(raw: bytes, output: Output) -> ImageFile:
    """The image as `output` says: unchanged if that is possible. Raises BadImage."""
    decoded = decode(raw, MAX_PIXELS)
    image = _finished(decoded.image, output)
    unchanged = image is decoded.image and _is_encoded(decoded, output)
    data = raw if unchanged else _encoded(image, output)
    width, height = image.size
    return ImageFile(data, output.format, width, height, is_transparent(image))


def _is_encoded(decoded: Decoded, output: Output) -> bool:
    same = decoded.exact and decoded.format == output.format.upper()
    return same and (output.format == "png" or output.compression is None)


def _finished(image: Image.Image, output: Output) -> Image.Image:
    from PIL import ImageOps

    if output.size is not None and image.size != output.size:
        image = ImageOps.fit(image, output.size)
    if output.source is not None and output.mask is not None:
        image = blend(image, output.source, output.mask)
    if image.mode == "RGBA" and (output.opaque or output.format == "jpeg"):
        image = _on_white(image)
    return image


def _on_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")


def _encoded(image: Image.Image, output: Output) -> bytes:
    quality = 100 if output.compression is None else output.compression
    options: dict[str, dict[str, Any]] = {
        "png": {"compress_level": _PNG_COMPRESSION},
        "jpeg": {"quality": quality, "subsampling": 0},
        "webp": {"quality": quality},
    }
    file = io.BytesIO()
    image.save(file, output.format, **options[output.format])
    return file.getvalue()
