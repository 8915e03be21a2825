from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from openedai.config import ModelSpec, Settings
from openedai.weights.facts import GgufFacts, WeightFacts, WeightFactsReader
from openedai.weights.library import Library
from tests.gguf import tiny_gguf


@pytest.fixture
def reader(tmp_path: Path) -> WeightFactsReader:
    return WeightFactsReader(Library(Settings(_env_file=None, cache_dir=tmp_path / "cache")))


def facts_of(reader: WeightFactsReader, path: Path) -> WeightFacts:
    return reader.facts(ModelSpec(id="m", engine="llama_cpp", source=str(path)))


def test_a_gguf_file(reader: WeightFactsReader, tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "a.gguf")
    facts = facts_of(reader, path)
    total = sum(rows * length for (rows, length), _ in tiny_gguf.LAYER.values())
    assert (facts.format, facts.size) == ("gguf", path.stat().st_size)
    assert facts.modified == path.stat().st_mtime
    assert re.fullmatch("[0-9a-f]{64}", facts.digest)
    assert (facts.gguf.parameters, facts.gguf.quantisation) == (total, "Q4_1")
    assert facts.gguf.numbers["general.file_type"] == tiny_gguf.Q4_1_TYPE
    assert not facts.gguf.switches_reasoning


def test_another_file_has_another_digest(reader: WeightFactsReader, tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "a.gguf")
    first = facts_of(reader, path)
    assert facts_of(reader, path) == first
    tiny_gguf.write(path, {"token_embd.weight": ((64, 96), "F32")})
    second = facts_of(reader, path)
    assert second.digest != first.digest
    assert second.gguf.quantisation == "F32"


def test_the_parameters_of_one_part_are_unknown(reader: WeightFactsReader, tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "a-00001-of-00001.gguf", parts=2)
    assert facts_of(reader, path).gguf.parameters == 0


def test_a_file_that_cannot_be_read(reader: WeightFactsReader, tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF, but no more")
    assert facts_of(reader, path).gguf == GgufFacts()


def test_weights_that_are_not_on_disk(reader: WeightFactsReader) -> None:
    spec = ModelSpec(id="m", engine="llama_cpp", source="hf:nobody/nothing", license="MIT")
    facts = reader.facts(spec)
    assert (facts.size, facts.modified, facts.license, facts.gguf) == (0, None, "MIT", GgufFacts())
    other = reader.facts(replace(spec, id="n"))
    assert facts.digest != other.digest
