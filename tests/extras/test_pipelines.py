"""Pipelines of several kinds, with random weights."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openedai.contract.images import ImageRequest, MadeImage, PartialImage
from openedai.engines.diffusers.engine import Diffusers
from tests.images.files import file_of, noise, pixels_of

pytestmark = [
    pytest.mark.extras,
    pytest.mark.timeout(1200),  # the tiny model is trained the first time
    pytest.mark.filterwarnings("default"),  # those of the libraries, not ours to mend
]

SIZE = (70, 40)
SOURCE = noise(*SIZE)
MASK = noise(*SIZE, mode="L").point(lambda value: 255 * (value > 127))


async def _images(engine: Diffusers, **fields: Any) -> list[Any]:
    request = ImageRequest(steps=6, partial_images=1, **{"prompt": "a red circle", **fields})
    async with aclosing(engine.make_images(request)) as events:
        return [event async for event in events]


@pytest.mark.parametrize("kind", ["inpainting", "xl", "flow"])
def test_every_task(tiny_diffusion: Path, tmp_path: Path, kind: str) -> None:
    from tests.extras import random_pipelines

    getattr(random_pipelines, f"save_{kind}")(tiny_diffusion, tmp_path)

    async def scenario() -> None:
        engine = await Diffusers.load("the-model", tmp_path, {"threads": 1})
        edit = {"task": "edit", "images": (file_of(SOURCE),)}
        tasks: list[dict[str, Any]] = [
            {"size": SIZE},
            {**edit},
            {**edit, "mask": file_of(MASK)},
            {**edit, "task": "vary", "prompt": "", "strength": 0.6},
        ]
        for fields in tasks:
            preview, made, _ = await _images(engine, **fields)
            assert isinstance(preview, PartialImage)
            assert isinstance(made, MadeImage)
            assert pixels_of(made.data).size == SIZE
            if "mask" in fields:
                protected = np.asarray(MASK) == 0
                edited = np.asarray(pixels_of(made.data))
                assert (edited[protected] == np.asarray(SOURCE)[protected]).all()
        await engine.close()

    asyncio.run(scenario())
