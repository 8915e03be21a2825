"""The forms of the weights: made once, whole, or not at all."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from bench.load.client import LoadError
from bench.peers.weights import checkpoint, packaged
from openedai.config import ModelSpec


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    return file


def interpreter(folder: Path, commands: str) -> Path:
    """In the place of a Python: gets the script, the weights and the folder to write."""
    file = folder / "python"
    file.write_text(f"#!/bin/sh\n{commands}\n", "utf-8")
    file.chmod(0o755)
    return file


def test_a_file_of_the_users_own_is_as_packaged(weights: Path, tmp_path: Path) -> None:
    spec = ModelSpec(id="mine", engine="llama_cpp", source=str(weights))
    assert packaged(spec, tmp_path / "peers") == weights


def test_a_checkpoint_is_made_once(weights: Path, tmp_path: Path) -> None:
    making = f'mkdir "$3" && cp "$2" "$3/copy" && echo made >> {tmp_path}/log'
    python = interpreter(tmp_path, making)
    folders = [asyncio.run(checkpoint(weights, tmp_path, python)) for _ in range(2)]
    assert folders[0] == folders[1]
    assert (folders[0] / "copy").read_bytes() == b"GGUF"
    assert (tmp_path / "log").read_text() == "made\n"


def test_half_a_checkpoint_is_not_kept(weights: Path, tmp_path: Path) -> None:
    breaking = interpreter(tmp_path, 'mkdir "$3" && touch "$3/half" && echo no memory >&2; exit 1')
    with pytest.raises(LoadError, match="no checkpoint: no memory"):
        asyncio.run(checkpoint(weights, tmp_path, breaking))
    whole = interpreter(tmp_path, 'mkdir "$3"')
    assert not list(asyncio.run(checkpoint(weights, tmp_path, whole)).iterdir())


def test_without_an_interpreter_there_is_no_checkpoint(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"no checkpoint: .*no-python"):
        asyncio.run(checkpoint(weights, tmp_path, tmp_path / "no-python"))


def test_a_file_that_is_no_model_gives_no_checkpoint(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no checkpoint"):
        asyncio.run(checkpoint(weights, tmp_path, Path(sys.executable)))
