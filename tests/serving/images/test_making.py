"""What engines make, on its way to the client: checked, converted and counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from openedai.api.openai.dialect import OPENAI
from openedai.catalog.models import Model
from openedai.config import ModelSpec
from openedai.contract.engine import ImageMaker
from openedai.contract.images import (
    ImageEvent,
    ImageRequest,
    ImagesFinish,
    ImageUsage,
    MadeImage,
    PartialImage,
)
from openedai.errors import EngineFailed
from openedai.http.exchange import Exchange
from openedai.images.threads import ImageThreads
from openedai.serving.call import Call
from openedai.serving.images.making import ImageMaking, Made, Making, Preview
from openedai.serving.leases import Leases
from openedai.serving.monitoring.metrics import Metrics
from tests.images.files import file_of, noise, pixels_of

CALL = Call(
    None,
    Model("the-model:small", ModelSpec(id="the-model", engine="echo"), "small"),
    Exchange("req_1", "POST", "/v1/images/generations", OPENAI),
)
PNG = file_of(noise(20, 10))


class Scripted(ImageMaker):
    """Yields these events, and keeps the request. It is also its own lease."""

    def __init__(self, *events: ImageEvent) -> None:
        self.events = events
        self.request: ImageRequest | None = None
        self.closed = False

    @asynccontextmanager
    async def lease(self, call: Any, capability: Any, **_: Any) -> AsyncIterator[Scripted]:
        yield self

    async def make_images(self, request: ImageRequest) -> AsyncGenerator[ImageEvent, None]:
        self.request = request
        try:
            for event in self.events:
                yield event
        finally:
            self.closed = True


@pytest.fixture
def threads() -> Iterator[ImageThreads]:
    threads = ImageThreads()
    yield threads
    threads.close()


def made_by(
    engine: Scripted, request: ImageRequest, threads: ImageThreads, exchange: Exchange | None = None
) -> list[Making]:
    call = CALL if exchange is None else replace(CALL, exchange=exchange)
    making = ImageMaking(cast("Leases", engine), threads)

    async def run() -> list[Making]:
        return [event async for event in making.run(call, request)]

    return asyncio.run(run())


def test_the_engine_gets_the_variant(threads: ImageThreads) -> None:
    engine = Scripted(MadeImage(index=0, data=PNG), ImagesFinish())
    made, finish = made_by(engine, ImageRequest(prompt="a circle"), threads)
    assert engine.request == ImageRequest(prompt="a circle", variant="small")
    assert isinstance(made, Made)
    assert made.image.data is PNG
    assert finish == ImagesFinish()


def test_a_near_size_becomes_the_requested_one(threads: ImageThreads) -> None:
    engine = Scripted(MadeImage(index=0, data=PNG), ImagesFinish())
    request = ImageRequest(prompt="x", size=(24, 16), format="webp")
    made, _ = made_by(engine, request, threads)
    assert isinstance(made, Made)
    image = pixels_of(made.image.data)
    assert (image.size, image.format, made.image.width) == ((24, 16), "WEBP", 24)


def test_previews_keep_their_size(threads: ImageThreads) -> None:
    jpeg = file_of(noise(10, 5), "JPEG")
    engine = Scripted(
        PartialImage(index=0, number=0, data=jpeg), MadeImage(index=0, data=PNG), ImagesFinish()
    )
    preview, *_ = made_by(engine, ImageRequest(prompt="x", size=(40, 20)), threads)
    assert isinstance(preview, Preview)
    image = pixels_of(preview.image.data)
    assert (image.size, image.format) == ((10, 5), "PNG")


@pytest.mark.parametrize("data", [b"", b"<html></html>", PNG[:-30]])
@pytest.mark.parametrize("kind", [MadeImage, PartialImage])
def test_something_else_than_an_image(threads: ImageThreads, data: bytes, kind: Any) -> None:
    more = {"number": 0} if kind is PartialImage else {}
    engine = Scripted(kind(index=0, data=data, **more), ImagesFinish())
    with pytest.raises(EngineFailed, match="an image that cannot be read"):
        made_by(engine, ImageRequest(prompt="x"), threads)
    assert engine.closed


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_images(threads: ImageThreads, count: int) -> None:
    two = (MadeImage(index=0, data=PNG), MadeImage(index=1, data=PNG))
    with pytest.raises(EngineFailed, match=f"made 2 images, though {count} were requested"):
        made_by(Scripted(*two, ImagesFinish()), ImageRequest(prompt="x", count=count), threads)


def test_tokens_and_images_are_counted(threads: ImageThreads) -> None:
    exchange = Exchange("req_2", "POST", "/v1/images/generations", OPENAI)
    usage = ImageUsage(input_text_tokens=2, input_image_tokens=3, output_tokens=4)
    two = (MadeImage(index=0, data=PNG), MadeImage(index=1, data=PNG))
    engine = Scripted(*two, ImagesFinish(usage=usage))
    made_by(engine, ImageRequest(prompt="x", count=2), threads, exchange)
    metrics = Metrics()
    metrics.record_uses(exchange)
    text = metrics.render().decode()
    assert 'openedai_images_total{model="the-model"} 2.0' in text
    assert 'openedai_tokens_total{kind="prompt",model="the-model"} 5.0' in text
    assert 'openedai_tokens_total{kind="completion",model="the-model"} 4.0' in text
