"""A model that runs on fake web UIs, and the events of its requests."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from openedai.contract.images import ImageRequest, ImagesFinish, MadeImage, PartialImage
from openedai.engines.a1111.engine import A1111
from tests.engines.image_servers.pictures import png

FAST = {"poll_interval": 0.005, "connect_timeout": 2.0, "health_interval": 0, "size": "64x64"}
CAT = ImageRequest(prompt="a cat", seed=1)


@dataclass
class Result:
    """The events of one request."""

    previews: list[PartialImage] = field(default_factory=list)
    images: list[Image.Image] = field(default_factory=list)


@asynccontextmanager
async def loaded(*urls: str, **options: Any) -> AsyncIterator[A1111]:
    engine = await A1111.load("ours", None, {"urls": list(urls), **FAST, **options})
    try:
        yield engine
    finally:
        await engine.close()


async def made(engine: A1111, request: ImageRequest = CAT) -> Result:
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
                    result.images.append(picture(data))
                case ImagesFinish():
                    finished = True
    assert finished
    return result


def picture(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def drawing(size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A picture whose pixels all differ."""
    image = Image.new("RGB", size)
    image.putdata([(x * 3 % 256, y * 3 % 256, 77) for y in range(size[1]) for x in range(size[0])])
    return image


def left_half(size: tuple[int, int] = (64, 64)) -> bytes:
    """A mask that lets the left half change."""
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return png(mask)
