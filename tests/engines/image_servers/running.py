"""Requests to servers of images, and their results."""

from __future__ import annotations

import io
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import msgspec
from PIL import Image

from openedai.contract.images import ImageRequest, ImagesFinish, MadeImage, PartialImage
from openedai.engines.image_server.server import ImageServer
from tests.engines.image_servers.fake_image import png

CAT = ImageRequest(prompt="a cat", seed=1)


@dataclass
class Result:
    """The events of one request."""

    previews: list[PartialImage] = field(default_factory=list)
    images: list[Image.Image] = field(default_factory=list)


async def made(engine: ImageServer, request: ImageRequest = CAT) -> Result:
    """The result of a request; checks the order of its events."""
    result, finished = Result(), False
    async with aclosing(engine.make_images(request)) as events:
        async for event in events:
            assert not finished
            match event:
                case PartialImage(index=index):
                    assert index == len(result.images)
                    result.previews.append(event)
                case MadeImage(index=index, data=data):
                    assert index == len(result.images)
                    result.images.append(opened_image(data))
                case ImagesFinish():
                    finished = True
    assert finished
    return result


def opened_image(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def drawing(size: tuple[int, int] = (64, 64)) -> Image.Image:
    """An image whose pixels all differ."""
    image = Image.new("RGB", size)
    image.putdata([(x * 3 % 256, y * 3 % 256, 77) for y in range(size[1]) for x in range(size[0])])
    return image


def left_half(size: tuple[int, int] = (64, 64)) -> bytes:
    """A mask that lets the left half change."""
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return png(mask)


EDIT = ImageRequest(prompt="a cat", task="edit", images=(png(drawing()),), seed=1)


def changed(request: ImageRequest, **fields: Any) -> ImageRequest:
    return msgspec.structs.replace(request, **fields)
