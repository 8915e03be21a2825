"""What an engine loads a model from: options, read into the engine's msgspec Struct, and the path
of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from openedai.errors import EngineFailed

T = TypeVar("T")


def parse_options(options_type: type[T], model: str, options: Mapping[str, Any]) -> T:
    """The options of `model`. Raises EngineFailed, whose message never quotes a value."""
    try:
        return msgspec.convert(dict(options), options_type)
    except msgspec.ValidationError as error:
        raise invalid_options(model, str(error)) from error


def weights_path(model: str, path: Path | None) -> Path:
    """The path, for an engine that needs one. Raises EngineFailed for a model without weights."""
    if path is None:
        raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
    return path


def invalid_options(model: str, problem: str) -> EngineFailed:
    """The error to raise for options of `model` that its engine cannot use."""
    return EngineFailed(f"Options of the model `{model}`: {problem}.")
