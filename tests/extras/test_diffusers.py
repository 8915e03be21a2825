"""The engine on a tiny model that was trained for it, and on others with random weights."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import pickle
import shutil
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import BadRequestError, OpenAI
from PIL import Image

from openedai.config import ModelSpec
from openedai.contract.engine import ImageMaker
from openedai.contract.images import ImageEvent, ImageRequest, MadeImage, PartialImage
from openedai.engines.diffusers.engine import Diffusers
from openedai.engines.load import load_engine
from openedai.engines.process.hosted import Hosted
from openedai.engines.process.watchdog import SilenceLimits
from openedai.errors import (
    ContextLengthExceeded,
    EngineCrashed,
    EngineFailed,
    InvalidRequest,
    Unsupported,
)
from tests.children import Children
from tests.extras.shapes import COLOURS, SHAPES, SIDE, Shape, draw, recognise
from tests.images.files import file_of, noise, pixels_of
from tests.support import ECHO_MODELS, Running, ServerThread, echo_settings

pytestmark = [
    pytest.mark.extras,
    pytest.mark.timeout(1200),  # the model is trained the first time
    pytest.mark.filterwarnings("default"),  # those of the libraries, not ours to mend
]

Run = Callable[[Callable[[ImageMaker], Coroutine[Any, Any, None]]], None]

STEPS, SCALE = 12, 2.0
CAPTIONS = [f"a {colour} {shape}" for colour in COLOURS for shape in SHAPES]
SAMPLERS = ("DDIM", "DPM++ 2M", "DPM++ 2M Karras", "Euler", "euler a", "Heun", "UniPC")


@pytest.fixture(scope="module")
def run(tiny_diffusion: Path) -> Iterator[Run]:
    """Runs a scenario on an engine in a worker that all tests of the module share."""
    with asyncio.Runner() as runner:
        engine = runner.run(
            load_engine(
                "diffusers", "the-model", tiny_diffusion, {"steps": STEPS, "guidance_scale": SCALE}
            )
        )
        assert isinstance(engine, ImageMaker)
        yield lambda scenario: runner.run(scenario(engine))
        runner.run(engine.close())


@pytest.fixture(scope="module")
def server(tiny_diffusion: Path) -> Iterator[Running]:
    spec = ModelSpec(
        id="shapes",
        engine="diffusers",
        source=str(tiny_diffusion),
        options={"steps": STEPS, "guidance_scale": SCALE},
    )
    with ServerThread(echo_settings(models=(spec, *ECHO_MODELS))) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[OpenAI]:
    with server.client(timeout=300) as client:
        yield client


async def events_of(engine: ImageMaker, **fields: Any) -> list[ImageEvent]:
    return [event async for event in engine.make_images(ImageRequest(**fields))]


async def images_of(engine: ImageMaker, **fields: Any) -> list[Image.Image]:
    events = await events_of(engine, **fields)
    return [pixels_of(event.data) for event in events if isinstance(event, MadeImage)]


def picture(caption: str) -> Image.Image:
    _, colour, shape = caption.split()
    return Image.fromarray(draw(Shape(colour, shape)))


def mask_of(size: tuple[int, int], box: tuple[int, int, int, int]) -> bytes:
    mask = Image.new("L", size, 0)
    mask.paste(255, box)
    return file_of(mask)


def test_shapes_are_recognised() -> None:
    assert [recognise(picture(caption)) for caption in CAPTIONS] == CAPTIONS


def test_images_show_what_the_prompt_says(run: Run) -> None:
    async def scenario(engine: ImageMaker) -> None:
        found = {
            caption: [
                recognise(image)
                for image in await images_of(engine, prompt=caption, count=4, seed=1)
            ]
            for caption in CAPTIONS
        }
        right = sum(shown.count(caption) for caption, shown in found.items())
        assert right >= 0.9 * 4 * len(CAPTIONS), found
        assert found["a red circle"] == ["a red circle"] * 4

    run(scenario)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers(run: Run, sampler: str) -> None:
    async def scenario(engine: ImageMaker) -> None:
        fields = {"prompt": "a red circle", "sampler": sampler, "count": 3, "seed": 5}
        shown = [recognise(image) for image in await images_of(engine, **fields)]
        assert shown.count("a red circle") >= 2, shown

    run(scenario)


def test_a_negative_prompt_and_the_scale_have_an_effect(run: Run) -> None:
    async def scenario(engine: ImageMaker) -> None:
        fields: dict[str, Any] = {"prompt": "a red circle", "seed": 1}
        (plain,) = await images_of(engine, **fields)
        for more in ({"negative_prompt": "a red square"}, {"guidance_scale": 4.0}, {"steps": 3}):
            (other,) = await images_of(engine, **fields, **more)
            assert other.tobytes() != plain.tobytes(), more

    run(scenario)


@pytest.mark.parametrize("box", [(0, 0, 32, 64), (20, 20, 44, 44)])
def test_what_a_mask_protects_stays_to_the_pixel(run: Run, box: tuple[int, int, int, int]) -> None:
    async def scenario(engine: ImageMaker) -> None:
        source, mask = noise(SIDE, SIDE), mask_of((SIDE, SIDE), box)
        fields: dict[str, Any] = {"task": "edit", "images": (file_of(source),), "mask": mask}
        (edited,) = await images_of(engine, prompt="a blue square", **fields)
        protected = np.asarray(pixels_of(mask)) == 0
        before, after = np.asarray(source), np.asarray(edited)
        assert (before[protected] == after[protected]).all()
        assert (before[~protected] != after[~protected]).any(axis=-1).mean() > 0.9

    run(scenario)


def test_an_edit_paints_what_the_prompt_says_into_the_mask(run: Run) -> None:
    async def scenario(engine: ImageMaker) -> None:
        source = Image.new("RGB", (2 * SIDE, SIDE), "white")
        source.paste(picture("a green triangle"), (0, 0))
        mask = mask_of(source.size, (SIDE, 0, 2 * SIDE, SIDE))
        edited = await images_of(
            engine,
            prompt="a blue square",
            task="edit",
            images=(file_of(source),),
            mask=mask,
            count=4,
            seed=1,
        )
        for image in edited:
            assert recognise(image.crop((0, 0, SIDE, SIDE))) == "a green triangle"
        blue = [recognise(image.crop((SIDE, 0, 2 * SIDE, SIDE))) for image in edited]
        assert any("blue" in shown for shown in blue), blue

    run(scenario)


def test_the_strength_of_an_edit(run: Run) -> None:
    async def scenario(engine: ImageMaker) -> None:
        source = picture("a red circle")

        async def distance(strength: float) -> float:
            fields: dict[str, Any] = {"task": "edit", "images": (file_of(source),), "seed": 1}
            (image,) = await images_of(engine, prompt="a blue square", strength=strength, **fields)
            difference = np.asarray(image, np.float32) - np.asarray(source, np.float32)
            return float(abs(difference).mean())

        assert await distance(0.0) == 0
        assert 0 < await distance(0.2) < await distance(0.9)

    run(scenario)


def test_a_variation_resembles_its_image(run: Run) -> None:
    async def scenario(engine: ImageMaker) -> None:
        source = file_of(picture("a green square"))
        fields: dict[str, Any] = {"prompt": "", "task": "vary", "images": (source,)}
        images = await images_of(engine, count=4, seed=1, strength=0.3, **fields)
        assert all("green" in recognise(image) for image in images)
        assert len({image.tobytes() for image in images}) == 4

    run(scenario)


def test_previews_become_the_image(run: Run) -> None:
    async def scenario(engine: ImageMaker) -> None:
        fields: dict[str, Any] = {"prompt": "a red circle", "partial_images": 3, "seed": 1}
        *events, _ = await events_of(engine, **fields)
        assert [event.number for event in events if isinstance(event, PartialImage)] == [0, 1, 2]
        pictures = [
            np.asarray(pixels_of(event.data), np.float32)
            for event in events
            if isinstance(event, PartialImage | MadeImage)
        ]
        distances = [abs(picture - pictures[-1]).mean() for picture in pictures]
        assert distances == sorted(distances, reverse=True)

    run(scenario)


def test_closing_ends_the_computation(run: Run) -> None:
    """The images would take minutes."""

    async def scenario(engine: ImageMaker) -> None:
        long: dict[str, Any] = {"count": 10, "steps": 150, "size": (512, 512), "partial_images": 3}
        async with aclosing(engine.make_images(ImageRequest(prompt="a", **long))) as events:
            async for _ in events:
                break
        started = time.monotonic()
        assert len(await images_of(engine, prompt="a red circle", steps=1)) == 1
        assert time.monotonic() - started < 20

    run(scenario)


def test_a_worker_that_is_stopped_is_killed(tiny_diffusion: Path) -> None:
    children = Children()

    async def go() -> None:
        engine = await Hosted.start(
            "diffusers", "m", tiny_diffusion, {}, limits=SilenceLimits(ping=5)
        )
        try:
            painting = asyncio.ensure_future(images_of(engine, prompt="a", steps=150))
            (worker,) = children.new()
            worker.suspend()
            with pytest.raises(EngineCrashed):
                await painting
        finally:
            await engine.close()

    asyncio.run(go())


def test_layers_are_progress(tiny_diffusion: Path) -> None:
    """Between the events of one image its progress goes on."""

    async def go() -> None:
        engine = await Diffusers.load("m", tiny_diffusion, {})
        painting = asyncio.ensure_future(images_of(engine, prompt="a", steps=150))
        seen = {engine.progress()}
        while not painting.done():
            await asyncio.sleep(0.01)
            seen.add(engine.progress())
        assert len(await painting) == 1
        assert len(seen) > 5
        assert max(seen) > 1000
        await engine.close()

    asyncio.run(go())


def test_other_requests_wait_and_end(run: Run) -> None:
    async def scenario(engine: ImageMaker) -> None:
        made = await asyncio.gather(
            *(images_of(engine, prompt="a red circle", seed=1, steps=3) for _ in range(3))
        )
        assert len({image.tobytes() for images in made for image in images}) == 1

    run(scenario)


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"prompt": "a red circle " * 10}, ContextLengthExceeded, "prompt"),
        ({"negative_prompt": "a red circle " * 10}, ContextLengthExceeded, "negative_prompt"),
        ({"sampler": "LCM"}, Unsupported, "sampler"),
        ({"sampler": "Nonsense"}, InvalidRequest, "sampler"),
        ({"size": (4000, 4000)}, InvalidRequest, "size"),
        ({"background": "transparent"}, Unsupported, "background"),
        ({"extra": {"clip_skip": 2}}, InvalidRequest, "clip_skip"),
    ],
)
def test_refused(run: Run, fields: dict[str, Any], error: type[InvalidRequest], param: str) -> None:
    async def scenario(engine: ImageMaker) -> None:
        with pytest.raises(error) as caught:
            await events_of(engine, **{"prompt": "a red circle", **fields})
        assert caught.value.param == param

    run(scenario)


async def _load_error(folder: Path) -> str:
    with pytest.raises(EngineFailed) as caught:
        await load_engine("diffusers", "the-model", folder, {})
    return caught.value.message


class _Harmful:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


def test_pickles_are_never_loaded(tiny_diffusion: Path, tmp_path: Path) -> None:
    folder, marker = tmp_path / "model", tmp_path / "marker"
    shutil.copytree(tiny_diffusion, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.with_suffix(".bin").write_bytes(pickle.dumps(_Harmful(marker)))
    weights.unlink()
    assert "cannot be loaded" in asyncio.run(_load_error(folder))
    assert not marker.exists()


@pytest.mark.parametrize("part", ["_class_name", "unet"])
def test_code_of_a_model_is_never_run(tiny_diffusion: Path, tmp_path: Path, part: str) -> None:
    folder, marker = tmp_path / "model", tmp_path / "marker"
    shutil.copytree(tiny_diffusion, folder)
    code = f"from pathlib import Path\nPath({str(marker)!r}).touch()\nclass Own: pass\n"
    for place in (folder, folder / "unet"):
        (place / "own.py").write_text(code)
    index = json.loads((folder / "model_index.json").read_text())
    index[part] = ["own", "Own"]
    (folder / "model_index.json").write_text(json.dumps(index))
    asyncio.run(_load_error(folder))
    assert not marker.exists()


def test_the_official_client(client: OpenAI) -> None:
    answer = client.images.generate(
        model="shapes",
        prompt="a red circle",
        n=2,
        size="64x64",
        response_format="b64_json",
        extra_body={"seed": 1},
    )
    assert answer.data is not None
    for one in answer.data:
        image = Image.open(io.BytesIO(base64.b64decode(one.b64_json or "")))
        assert image.size == (64, 64)
        assert recognise(image) == "a red circle"


def test_the_official_client_streams(client: OpenAI) -> None:
    stream = client.images.generate(
        model="shapes", prompt="a blue square", stream=True, partial_images=2
    )
    types = [event.type for event in stream]
    assert types == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


def test_the_official_client_edits(client: OpenAI) -> None:
    source = noise(50, 70)
    mask = Image.new("RGBA", source.size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (10, 10, 40, 40))
    answer = client.images.edit(
        model="shapes",
        image=("image.png", file_of(source)),
        mask=("mask.png", file_of(mask)),
        prompt="a red circle",
        response_format="b64_json",
    )
    assert answer.data is not None
    edited = np.asarray(pixels_of(base64.b64decode(answer.data[0].b64_json or "")).convert("RGB"))
    protected = np.asarray(mask)[..., 3] == 255
    assert (edited[protected] == np.asarray(source)[protected]).all()
    assert (edited[~protected] != np.asarray(source)[~protected]).any()


def test_the_official_client_varies(client: OpenAI) -> None:
    source = ("image.png", file_of(picture("a green square")))
    answer = client.images.create_variation(
        model="shapes", image=source, n=2, response_format="b64_json", size="256x256"
    )
    assert answer.data is not None
    images = [pixels_of(base64.b64decode(one.b64_json or "")) for one in answer.data]
    assert [image.size for image in images] == [(256, 256)] * 2


def test_a_prompt_that_is_too_long_is_a_400(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.images.generate(model="shapes", prompt="a red circle " * 20)
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "prompt"
