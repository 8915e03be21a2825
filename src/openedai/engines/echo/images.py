"""The images of the echo engine: each has one colour, which depends on its request."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from openedai.contract.images import (
    ImageEvent,
    ImageRequest,
    ImagesFinish,
    ImageUsage,
    MadeImage,
    PartialImage,
)
from openedai.engines.echo.options import EchoOptions

DEFAULT_SIZE = (64, 64)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"

Colour = tuple[int, int, int]


def echo_images(request: ImageRequest, options: EchoOptions) -> Iterator[ImageEvent]:
    """The events of a request. Each image counts as `image_tokens` tokens, and each word as one.

    Previews have half the size. With `reveal` the revised prompt is the request as JSON, without
    its files.
    """
    width, height = request.size or _size_of_first(request) or DEFAULT_SIZE
    revealed = msgspec.json.encode(_without_files(request)).decode() if options.reveal else None
    for index in range(request.count):
        colour = colour_of(request, index)
        for number in range(request.partial_images):
            preview = one_colour_png(-(-width // 2), -(-height // 2), colour)
            yield PartialImage(index=index, number=number, data=preview)
        image = one_colour_png(width, height, colour)
        yield MadeImage(index=index, data=image, revised_prompt=revealed)
    yield ImagesFinish(
        usage=ImageUsage(
            input_text_tokens=len(request.prompt.split()),
            input_image_tokens=options.image_tokens * len(request.images),
            output_tokens=options.image_tokens * request.count,
        )
    )


def colour_of(request: ImageRequest, index: int) -> Colour:
    """The colour of the image at `index`, by the prompt, the seed and the index."""
    seed = f"{request.prompt}\0{(request.seed or 0) + index}"
    red, green, blue = hashlib.sha256(seed.encode("utf-8", "replace")).digest()[:3]
    return red, green, blue


def one_colour_png(width: int, height: int, colour: Colour) -> bytes:
    """A PNG in RGB, row by row, so that a large one takes little memory."""
    row = b"\0" + bytes(colour) * width
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", packed), _chunk(b"IEND", b""))
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _size_of_first(request: ImageRequest) -> tuple[int, int] | None:
    if not request.images:
        return None
    width, height = struct.unpack_from(">II", request.images[0], 16)
    return width, height


def _without_files(request: ImageRequest) -> ImageRequest:
    return replace(request, images=(b"",) * len(request.images), mask=request.mask and b"")
