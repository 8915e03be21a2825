from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from openedai.engines.diffusers.engine import Diffusers
from openedai.engines.diffusers.pipelines import pipeline_class, weight_variant
from openedai.engines.diffusers.previews import preview_steps
from openedai.engines.diffusers.samplers import SAMPLERS, find_sampler
from openedai.errors import EngineFailed, InvalidRequest, Unavailable
from tests.docs.pages import section


@pytest.mark.parametrize(
    ("names", "variant"),
    [
        (["unet/model.safetensors", "vae/model.safetensors"], None),
        (["unet/model.safetensors", "unet/model.fp16.safetensors"], None),
        (["unet/model.fp16.safetensors", "vae/model.fp16.safetensors"], "fp16"),
        (["unet/model.fp16-00001-of-00002.safetensors", "vae/model.safetensors"], "fp16"),
        (["unet/model-00001-of-00002.safetensors"], None),
        ([], None),
    ],
)
def test_the_variant_of_the_weights(names: list[str], variant: str | None) -> None:
    assert weight_variant(map(Path, names)) == variant


@pytest.mark.parametrize("text", [None, "", "[]", "{", "{}", '{"_class_name": ["code", "Class"]}'])
def test_a_folder_without_a_pipeline_of_diffusers(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "model_index.json").write_text(text)
    with pytest.raises(EngineFailed):
        pipeline_class(tmp_path)


@pytest.mark.parametrize(
    ("count", "steps", "after"),
    [
        (0, 20, set()),
        (1, 20, {9}),
        (3, 20, {4, 9, 14}),
        (3, 4, {0, 1, 2}),
        (3, 2, {0}),
        (3, 1, set()),
    ],
)
def test_previews_are_evenly_spaced(count: int, steps: int, after: set[int]) -> None:
    assert preview_steps(count, steps) == after


def test_samplers_are_found_in_any_case() -> None:
    assert find_sampler("dpm++ 2m KARRAS") == SAMPLERS["DPM++ 2M Karras"]
    with pytest.raises(InvalidRequest, match="Euler a") as caught:
        find_sampler("Nonsense")
    assert caught.value.param == "sampler"


def test_the_page_lists_the_samplers() -> None:
    lines = section("docs/images.md", "Diffusers").splitlines()
    row = next(line for line in lines if line.startswith("| `sampler`"))
    assert row.split("`")[3::2] == list(SAMPLERS)


@pytest.mark.parametrize(
    "options",
    [{"nonsense": 1}, {"size": "512"}, {"steps": 0}, {"strength": 2}, {"sampler": "Nonsense"}],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(EngineFailed, match="Options of the model `the-model`"):
        asyncio.run(Diffusers.load("the-model", tmp_path, options))


def test_the_extra_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(Unavailable, match=r"pip install 'openedai\[images\]'"):
        asyncio.run(Diffusers.load("the-model", tmp_path, {}))
