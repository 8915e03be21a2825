from __future__ import annotations

import re
from pathlib import Path

import pytest

from openedai.config import ModelSpec, Settings
from openedai.weights.facts import Facts, Head, Weights
from openedai.weights.library import Library
from tests.gguf import tiny_gguf


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    return Weights(Library(Settings(_env_file=None, cache_dir=tmp_path / "cache")))


def of(weights: Weights, path: Path) -> Facts:
    return weights.facts(ModelSpec(id="m", engine="llama_cpp", source=str(path)))


def test_what_a_file_says(weights: Weights, tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "a.gguf")
    facts = of(weights, path)
    total = sum(rows * length for (rows, length), _ in tiny_gguf.LAYER.values())
    assert (facts.format, facts.size) == ("gguf", path.stat().st_size)
    assert facts.modified == path.stat().st_mtime
    assert re.fullmatch("[0-9a-f]{64}", facts.digest)
    assert (facts.head.parameters, facts.head.quantisation) == (total, "Q4_1")
    assert facts.head.numbers["general.file_type"] == tiny_gguf.Q4_1_TYPE
    assert not facts.head.thinks


def test_another_file_has_another_digest(weights: Weights, tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "a.gguf")
    first = of(weights, path)
    assert of(weights, path) == first
    tiny_gguf.write(path, {"token_embd.weight": ((64, 96), "F32")})
    second = of(weights, path)
    assert second.digest != first.digest
    assert second.head.quantisation == "F32"


def test_a_part_does_not_tell_how_large_the_model_is(weights: Weights, tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "a-00001-of-00001.gguf", parts=2)
    assert weights._head(path).parameters == 0


def test_a_file_that_cannot_be_read(weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF, but no more")
    assert of(weights, path).head == Head()


def test_nothing_is_here(weights: Weights) -> None:
    spec = ModelSpec(id="m", engine="llama_cpp", source="hf:nobody/nothing", license="MIT")
    facts = weights.facts(spec)
    assert (facts.size, facts.modified, facts.license, facts.head) == (0, None, "MIT", Head())
    other = weights.facts(spec.model_copy(update={"id": "n"}))
    assert facts.digest != other.digest
