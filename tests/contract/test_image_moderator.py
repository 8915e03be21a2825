"""What every moderator of images must do, tested on each engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.contract.engine import ImageModerator
from openedai.contract.moderate import CATEGORIES, Assessment, ModerateImagesRequest
from openedai.engines.load import load_engine
from openedai.engines.upstream.engine import Upstream
from openedai.errors import InvalidRequest
from openedai.weights.library import Library
from tests.images.files import file_of, noise
from tests.support import Running

Scenario = Callable[[ImageModerator], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]
ENGINES = [
    "echo",
    "echo in a worker",
    "upstream",
    pytest.param("open_nsfw", marks=pytest.mark.real),
]
IMAGES = (
    file_of(noise(60, 40)),
    file_of(noise(40, 60, seed=2), "JPEG"),
    file_of(noise(50, 30, seed=3), "WEBP"),
    file_of(noise(30, 40, seed=4, mode="RGBA")),
)


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a scenario on an engine that all tests of the module share."""
    name = request.param.split()[0]
    options: dict[str, Any] = {"worker": True} if request.param == "echo in a worker" else {}
    path = None
    if name == "upstream":
        server: Running = request.getfixturevalue("echo_server")
        options = {"url": server.url, "model": "echo"}
    if name == "open_nsfw":
        path = open_nsfw_path()
    with asyncio.Runner() as runner:
        engine = runner.run(load_engine(name, "the-model", path, options))
        assert isinstance(engine, ImageModerator)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())
        runner.run(engine.close())


def open_nsfw_path() -> Path | None:
    settings = Settings(_env_file=None)
    return Library(settings).pull(Catalog(settings).resolve("open-nsfw").spec)


def asked(*images: bytes) -> ModerateImagesRequest:
    return ModerateImagesRequest(images=images)


def same(one: Assessment, other: Assessment) -> None:
    assert one.scores == pytest.approx(other.scores, abs=1e-4)
    assert one.flagged == other.flagged


def test_an_assessment_of_each_image_in_its_order(run: Run) -> None:
    async def scenario(engine: ImageModerator) -> None:
        together = await engine.moderate_images(asked(*IMAGES))
        alone = [await engine.moderate_images(asked(image)) for image in IMAGES]
        assert len(together.assessments) == len(IMAGES)
        for one, other in zip(together.assessments, alone, strict=True):
            same(one, other.assessments[0])

    run(scenario)


def test_scores_are_probabilities_of_categories(run: Run) -> None:
    async def scenario(engine: ImageModerator) -> None:
        for one in (await engine.moderate_images(asked(*IMAGES))).assessments:
            assert 0 < len(one.scores) <= len(CATEGORIES)
            assert set(one.flagged) <= set(one.scores) <= set(CATEGORIES)
            assert all(0 <= score <= 1 for score in one.scores.values())

    run(scenario)


def test_many_at_once_do_not_mix(run: Run) -> None:
    async def scenario(engine: ImageModerator) -> None:
        images = IMAGES * 2
        together = await asyncio.gather(*(engine.moderate_images(asked(one)) for one in images))
        whole = await engine.moderate_images(asked(*images))
        for one, other in zip(together, whole.assessments, strict=True):
            same(one.assessments[0], other)

    run(scenario)


@pytest.mark.parametrize("bad", [b"", b"no image"])
def test_files_that_are_no_images(run: Run, bad: bytes) -> None:
    async def scenario(engine: ImageModerator) -> None:
        with pytest.raises(InvalidRequest) as caught:
            await engine.moderate_images(asked(bad))
        assert caught.value.param == "input"

    run(scenario)


def test_a_cancelled_call_does_not_harm_others(run: Run) -> None:
    async def scenario(engine: ImageModerator) -> None:
        cancelled = asyncio.create_task(engine.moderate_images(asked(*IMAGES * 8)))
        kept = asyncio.create_task(engine.moderate_images(asked(IMAGES[0])))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert len((await kept).assessments) == 1
        with suppress(asyncio.CancelledError):  # unless it was faster
            await cancelled

    run(scenario)


def test_memory_is_measured(run: Run) -> None:
    async def scenario(engine: ImageModerator) -> None:
        elsewhere = isinstance(engine, Upstream)
        assert (engine.memory() == 0) if elsewhere else (engine.memory() > 1 << 19)

    run(scenario)
