"""What every maker of images must do, tested on each engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest
from PIL import Image

from openedai.contract.engine import ImageMaker
from openedai.contract.images import (
    ImageEvent,
    ImageRequest,
    ImagesFinish,
    MadeImage,
    PartialImage,
)
from openedai.engines.load import load_engine
from tests.engines.image_servers.comfy import comfyui
from tests.engines.image_servers.comfy_nodes import CHECKPOINTS
from tests.engines.image_servers.webui import webui
from tests.images.files import file_of, noise, pixels_of

Scenario = Callable[[ImageMaker], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
DIFFUSERS = pytest.param(
    "diffusers",
    marks=[
        pytest.mark.extras,
        pytest.mark.timeout(1200),  # the model is trained the first time
        pytest.mark.filterwarnings("default"),  # those of the libraries, not ours to mend
    ],
)
ENGINES = ["echo", "echo in a worker", "upstream", "a1111", "comfyui", DIFFUSERS]
SOURCE = file_of(noise(32, 24))
MASK = file_of(Image.new("L", (32, 24), 255))


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests of the module share."""
    name = request.param.split()[0]
    options: dict[str, Any] = {"worker": True} if request.param == "echo in a worker" else {}
    path = None
    if name == "upstream":
        server = request.getfixturevalue("echo_server")
        options = {"url": server.url, "server": "openedai", "model": "echo"}
    if name == "diffusers":
        path, options = request.getfixturevalue("tiny_diffusion"), {"steps": 6}
    with asyncio.Runner() as runner:
        servers = AsyncExitStack()
        options |= runner.run(_server_options(name, servers))
        engine = runner.run(load_engine(name, "the-model", path, options))
        assert isinstance(engine, ImageMaker)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())
        runner.run(engine.close())
        runner.run(servers.aclose())


async def _server_options(engine: str, servers: AsyncExitStack) -> dict[str, Any]:
    """The options of an engine that uses another server, which is started."""
    if engine == "a1111":
        server = await servers.enter_async_context(webui())
        return {"url": server.url, "poll_interval": 0.01}
    if engine == "comfyui":
        comfy = await servers.enter_async_context(comfyui())
        return {"url": comfy.url, "poll_interval": 0.01, "checkpoint": CHECKPOINTS[0]}
    return {}


async def events_of(engine: ImageMaker, request: ImageRequest) -> list[ImageEvent]:
    return [event async for event in engine.make_images(request)]


@pytest.mark.parametrize("count", [1, 3])
def test_images_in_order_then_a_finish(run: Run, count: int) -> None:
    async def scenario(engine: ImageMaker) -> None:
        events = await events_of(engine, ImageRequest(prompt="a red circle", count=count))
        *made, last = events
        assert isinstance(last, ImagesFinish)
        assert [event.index for event in made if isinstance(event, MadeImage)] == [*range(count)]
        assert all(pixels_of(one.data) for one in made if isinstance(one, MadeImage))

    run(scenario)


def test_the_size(run: Run) -> None:
    async def scenario(engine: ImageMaker) -> None:
        events = await events_of(engine, ImageRequest(prompt="a circle", size=(64, 32)))
        (made,) = [event for event in events if isinstance(event, MadeImage)]
        assert pixels_of(made.data).size == (64, 32)

    run(scenario)


@pytest.mark.parametrize("task", ["edit", "vary"])
@pytest.mark.parametrize("mask", [None, MASK])
def test_a_source_gives_the_size(run: Run, task: Any, mask: bytes | None) -> None:
    async def scenario(engine: ImageMaker) -> None:
        prompt = "a circle" if task == "edit" else ""
        request = ImageRequest(prompt=prompt, task=task, images=(SOURCE,), mask=mask)
        events = await events_of(engine, request)
        (made,) = [event for event in events if isinstance(event, MadeImage)]
        assert pixels_of(made.data).size == (32, 24)

    run(scenario)


def test_the_same_seed_is_the_same_image(run: Run) -> None:
    async def scenario(engine: ImageMaker) -> None:
        async def image(seed: int, count: int = 1) -> bytes:
            request = ImageRequest(prompt="a circle", seed=seed, count=count, size=(32, 32))
            events = await events_of(engine, request)
            made = [event for event in events if isinstance(event, MadeImage)]
            return pixels_of(made[-1].data).tobytes()

        assert await image(1) == await image(1) != await image(2)
        assert await image(1, count=2) == await image(2)

    run(scenario)


def test_previews_come_before_their_image(run: Run) -> None:
    async def scenario(engine: ImageMaker) -> None:
        request = ImageRequest(prompt="a circle", partial_images=2, count=2)
        open_previews: list[int] = []
        for event in await events_of(engine, request):
            match event:
                case PartialImage(index=0 | 1, number=number, data=data):
                    assert number == len(open_previews)
                    assert pixels_of(data)
                    open_previews.append(number)
                case MadeImage():
                    assert len(open_previews) <= 2
                    open_previews.clear()
        assert not open_previews

    run(scenario)


def test_closing_early_leaves_the_engine_free(run: Run) -> None:
    async def scenario(engine: ImageMaker) -> None:
        request = ImageRequest(prompt="a circle", count=2)
        async with aclosing(engine.make_images(request)) as events:
            async for _ in events:
                break
        async with asyncio.timeout(30):
            assert len(await events_of(engine, ImageRequest(prompt="x"))) == 2

    run(scenario)
