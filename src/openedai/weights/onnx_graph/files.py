"""The files of a model from which graphs are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from openedai.errors import APIError, EngineFailed, Unavailable

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
T = TypeVar("T")


@dataclass(frozen=True)
class Tensor:
    """A tensor in the weights file; `offset` and `length` in bytes."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


def read_config(folder: Path) -> dict[str, Any]:
    """The object in `config.json`. Raises EngineFailed."""
    try:
        value = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError) as error:
        raise EngineFailed(f"{CONFIG} of the model cannot be read: {error}.") from error
    if not isinstance(value, dict):
        raise EngineFailed(f"{CONFIG} of the model is not a JSON object.")
    return value


def usable(config: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> T:
    """What `read` makes of the config. Raises EngineFailed if a value is missing or wrong."""
    try:
        return read(config)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise EngineFailed(f"{CONFIG} of the model is not usable: {error!r}.") from error


def check_heads(layers: int, heads: int, hidden: int) -> None:
    """Raise EngineFailed for numbers that do not fit together."""
    if layers < 1 or heads < 1 or hidden % heads:
        raise EngineFailed(
            f"{CONFIG} of the model is not usable: {layers} layers, {heads} heads "
            f"over a width of {hidden}."
        )


def unsupported(feature: str) -> APIError:
    """The error for an architecture without a graph here."""
    return Unavailable(
        f"No ONNX graph can be made for {feature}. The engine `sentence_transformers` runs "
        "such encoders: pip install 'openedai[sentence-transformers]'."
    )


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors of `model.safetensors`: an 8-byte length, a JSON header, then the raw data.

    Raises EngineFailed.
    """
    file = folder / WEIGHTS
    try:
        with file.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            if size > file.stat().st_size:
                raise ValueError(f"a header of {size} bytes")
            header = json.loads(stream.read(size))
        start, end = 8 + size, file.stat().st_size
        tensors = {
            name: Tensor(
                dtype=entry["dtype"],
                shape=tuple(entry["shape"]),
                offset=start + entry["data_offsets"][0],
                length=entry["data_offsets"][1] - entry["data_offsets"][0],
            )
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineFailed(f"{file.name} of the model cannot be read: {error!r}.") from error
    if any(tensor.offset + tensor.length > end for tensor in tensors.values()):
        raise EngineFailed(f"{file.name} of the model is cut short.")
    return tensors


def prefix_of(tensors: Mapping[str, Tensor], word: str) -> str:
    """What stands before the names of the encoder's tensors, of which `word` is one.

    Raises EngineFailed.
    """
    found = [name for name in tensors if name == word or name.endswith(f".{word}")]
    if len(found) != 1:
        raise EngineFailed(f"{WEIGHTS} holds {len(found)} tensors named `{word}`, not one.")
    return found[0].removesuffix(word)
