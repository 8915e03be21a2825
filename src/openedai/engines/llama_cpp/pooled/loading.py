"""The options of models with pooled outputs, and loading such a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from openedai.engines.llama_cpp.library_choice import choose_library
from openedai.engines.llama_cpp.options import LlamaOptions
from openedai.engines.llama_cpp.pooled.pooled_model import PooledModel, Pooling
from openedai.engines.machine import usable_cores
from openedai.errors import EngineFailed
from openedai.gguf.header import Header, read_header


class PooledOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model.

    `context` is the most tokens of an input; what the model was trained for if that is less.
    `batch` is the number of tokens that run together. `library` and `pulled` are as in
    `LlamaOptions`.
    """

    context: Annotated[int, Meta(ge=16, le=1 << 16)] = 2048
    threads: Annotated[int, Meta(ge=1, le=512)] | None = None
    batch: Annotated[int, Meta(ge=1, le=1 << 16)] = 512
    gpu_layers: Annotated[int, Meta(ge=-1, lt=1 << 31)] = -1
    library: str = "auto"
    pulled: str | None = None

    def limit(self, model: PooledModel) -> int:
        """The most tokens of an input."""
        return min(self.context, model.trained_length)


def header_of(name: str, path: Path) -> Header:
    """The header of a model's weights. Raises EngineFailed."""
    try:
        return read_header(path)
    except (OSError, ValueError) as error:
        raise EngineFailed(f"The weights of the model `{name}` cannot be read: {error}.") from error


def load_pooled(name: str, path: Path, options: PooledOptions, pooling: Pooling) -> PooledModel:
    """Blocking. Call `open_context` before the first batch. Raises EngineFailed."""
    library = choose_library(LlamaOptions(library=options.library, pulled=options.pulled))
    return PooledModel(
        library,
        name,
        path,
        pooling,
        gpu_layers=options.gpu_layers,
        threads=options.threads or usable_cores(),
    )


def open_context(model: PooledModel, options: PooledOptions) -> None:
    """Make room for batches, and for one input of the greatest length. Raises EngineFailed."""
    model.open_context(max(options.batch, options.limit(model)))
