"""Builds of llama.cpp other than the package's: a copy of the package's stands for them."""

from __future__ import annotations

import asyncio
import logging
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from openai import InternalServerError

from openedai.config import ModelSpec
from openedai.contract.generate import GenerateRequest, Grammar, Sampling, Text
from openedai.engines.llama_cpp.engine import LlamaCpp
from openedai.engines.llama_cpp.library_choice import choose_library
from openedai.engines.llama_cpp.native.library import Library
from openedai.engines.llama_cpp.native.opening import VERSION
from openedai.engines.llama_cpp.native.trial import why_unusable
from openedai.engines.llama_cpp.options import LlamaOptions
from openedai.errors import EngineFailed
from openedai.weights.builds.table import builtin_builds
from tests.events import collect, text_of
from tests.gguf import tiny_gguf
from tests.support import ECHO_MODELS, ServerThread, echo_settings

PARTS = ("libggml-base.so", "libggml.vulkan.v0.6.0.so", "libllama.vulkan.v0.6.0.so")


@pytest.fixture(name="whole", scope="module")
def _whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared object with all of llama.cpp."""
    spec = find_spec("xllamacpp")
    assert spec is not None
    assert spec.submodule_search_locations
    found = next(Path(spec.submodule_search_locations[0]).glob("xllamacpp*.so"))
    return Path(shutil.copy(found, tmp_path_factory.mktemp("build") / "llama.so"))


@pytest.fixture(name="parts", scope="module")
def _parts(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with parts, and with files that are none."""
    folder = tmp_path_factory.mktemp("parts")
    for name in PARTS:
        (folder / name).symlink_to(whole)
    for name in ("libllama-common.so", "libggml-cpu-zen4.so", "LICENSE", ".manifest.json"):
        (folder / name).write_text("not a library")
    return folder


def options(**values: Any) -> LlamaOptions:
    return LlamaOptions(**values)


@pytest.mark.parametrize("kind", ["whole", "parts"])
def test_another_build_is_opened(kind: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(kind)
    library = choose_library(options(library=str(path)))
    assert library.build == f"{path} 0.6.0-dev"
    assert library.c.llama_model_default_params().n_gpu_layers == -1


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no build of llama.cpp"),
        ({PARTS[0]: "", PARTS[1]: ""}, "no build of llama.cpp"),
        (dict.fromkeys(PARTS, "not a library"), "cannot be opened"),
    ],
)
def test_what_is_no_build(files: dict[str, str], reason: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(EngineFailed, match=reason):
        Library(tmp_path)
    assert reason in why_unusable(tmp_path, False)


def test_a_library_that_is_not_llama_cpp(tmp_path: Path) -> None:
    import _ctypes

    with pytest.raises(EngineFailed, match="has no known version"):
        Library(Path(_ctypes.__file__))
    with pytest.raises(EngineFailed, match="cannot be opened"):
        Library(tmp_path / "none.so")


def test_a_build_is_tried_in_a_process_of_its_own(parts: Path) -> None:
    assert why_unusable(parts, False) == ""


def test_a_pulled_build_is_used_if_it_works(
    parts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert choose_library(options(pulled=str(parts))).build.startswith(str(parts))
    with caplog.at_level(logging.WARNING):
        assert choose_library(options(pulled=str(tmp_path))).build == VERSION
    assert "was pulled is not used: There is no build of llama.cpp" in caplog.text


def test_the_package_is_used_for_images_and_by_choice(parts: Path) -> None:
    for chosen in (
        options(),
        options(library="wheel", pulled=str(parts)),
        options(mmproj="m.gguf", pulled=str(parts)),
        options(mmproj="m.gguf", library=str(parts)),
    ):
        assert choose_library(chosen).build == VERSION


def test_a_build_that_was_not_pulled_is_named(tmp_path: Path) -> None:
    weights = tiny_gguf.write(tmp_path / "tiny.gguf")
    build = next(name for name, one in builtin_builds().items() if not one.gpu)
    spec = ModelSpec(id="tiny", engine="llama_cpp", source=str(weights), options={"library": build})
    settings = echo_settings(models=(spec, *ECHO_MODELS), cache_dir=tmp_path / "cache")
    with ServerThread(settings) as running, pytest.raises(InternalServerError) as refusal:
        running.client().completions.create(model="tiny", prompt="a")
    assert refusal.value.status_code == 503
    assert f"`openedai engines pull {build}` fetches it" in refusal.value.message


@pytest.mark.real
def test_answers_and_grammars_of_another_build(smollm2_path: Path, parts: Path) -> None:
    async def answers(**chosen: str) -> list[str]:
        engine = await LlamaCpp.load("m", smollm2_path, {"slots": 1, "context": 512, **chosen})
        try:
            return [
                text_of(
                    await collect(
                        engine,
                        GenerateRequest(
                            prompt=Text(text="The capital of France is"),
                            sampling=Sampling(temperature=0),
                            max_tokens=8,
                            constraint=constraint,
                        ),
                    )
                )
                for constraint in (None, Grammar(gbnf='root ::= " [" [0-9]+ "]"'))
            ]
        finally:
            await engine.close()

    expected = asyncio.run(answers(library="wheel"))
    assert "Paris" in expected[0]
    assert expected[1].startswith(" [")
    assert asyncio.run(answers(library=str(parts))) == expected
