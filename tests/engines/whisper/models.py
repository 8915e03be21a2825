"""The models that the tests run, downloaded once."""

from __future__ import annotations

from pathlib import Path

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.weights.library import Library


def whisper_weights(model: str) -> Path:
    """The folder of a built-in model."""
    settings = Settings(_env_file=None)
    path = Library(settings).pull(Catalog(settings).resolve(model).spec)
    assert path is not None
    return path
