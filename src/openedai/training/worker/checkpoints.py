"""Checkpoints: folders with everything needed to continue, and with the adapter as it is served."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from openedai.training.adapters import AdapterWeights, write_adapter

ADAPTER = "adapter.gguf"
_STATE = "state.pt"


def save_checkpoint(
    folder: Path, state: Mapping[str, Any], adapter: AdapterWeights, *, name: str
) -> None:
    """Make a folder with the state and the adapter. It appears complete or not at all."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    torch.save(dict(state), partial / _STATE)
    write_adapter(partial / ADAPTER, adapter, name=name)
    for file in (partial / _STATE, partial / ADAPTER):
        with file.open("rb+") as written:
            os.fsync(written.fileno())
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def load_state(folder: Path) -> dict[str, Any]:
    """The state of a checkpoint. Raises OSError."""
    state: dict[str, Any] = torch.load(folder / _STATE, weights_only=True, map_location="cpu")
    return state
