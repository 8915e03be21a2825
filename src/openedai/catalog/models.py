"""The models that the API offers for a spec: the spec itself, and its variants.

A variant is the spec with an adapter, or one of the models that an upstream has after a prefix.
"""

from __future__ import annotations

from dataclasses import dataclass

from openedai.config import ModelSpec
from openedai.contract.adapter import Adapter
from openedai.engines.registry import SAFETENSORS_ENGINE, engine_entry


@dataclass(frozen=True)
class Model:
    """`id` is its name in answers, `spec` is what is loaded for it, and `variant` tells which model
    of the loaded engine it is; None for an engine with a single model. `adapter` is a variant that
    is added to the engine when it is first requested. A model with an `owner` is served to nobody
    else.
    """

    id: str
    spec: ModelSpec
    variant: str | None = None
    adapter: Adapter | None = None
    owner: str | None = None


def models_of(spec: ModelSpec) -> tuple[Model, ...]:
    """The models of a spec that are known without asking an upstream."""
    if spec.prefix is not None:
        return ()
    adapted = (Model(f"{spec.id}:{one.name}", spec, one.name) for one in spec.adapters)
    return (Model(spec.id, spec), *adapted)


def training_spec(spec: ModelSpec) -> ModelSpec | None:
    """The weights that training uses in place of the model's own, as weights to be pulled."""
    if not spec.training_source:
        return None
    return ModelSpec(
        id=f"{spec.id} (training)", engine=SAFETENSORS_ENGINE, source=spec.training_source
    )


def adapter_specs(spec: ModelSpec) -> tuple[ModelSpec, ...]:
    """The adapters of a model as separate weights, to be pulled like the model's own."""
    if engine_entry(spec.engine).weight_files != "gguf":
        return ()
    return tuple(
        ModelSpec(id=f"{spec.id}:{adapter.name}", engine=spec.engine, source=adapter.source)
        for adapter in spec.adapters
    )
