"""The facts about each model that are shown to people: what it does, where it comes from, how large
it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal

import msgspec

from openedai.catalog.catalog import Catalog
from openedai.catalog.defaults import KINDS
from openedai.catalog.models import adapter_specs
from openedai.config import ModelSpec
from openedai.engines.registry import SECRET_OPTIONS, capabilities_of
from openedai.weights.library import Library

CAPABILITIES = {kind.name: kind.capability for kind in KINDS}

State = Literal["loaded", "on_disk", "not_downloaded", "missing", "no_weights"]


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One object of `models list --json`. Sizes are in bytes; None where a value is unknown or
    does not apply.

    `prefix` is the prefix of an upstream, whose models are not listed; `base_model` the base of an
    adapter.
    """

    id: str
    engine: str
    capabilities: tuple[str, ...]
    state: State
    size_on_disk: int | None
    download_size: int | None
    license: str | None
    source: str | None
    aliases: tuple[str, ...]
    prefix: str | None
    base_model: str | None


class ModelDetails(ModelInfo, frozen=True, kw_only=True):
    """The object of `models show --json`. `slow_share` is the share of the weights, from 0 to 1,
    that `requantise` would make faster on this processor.
    """

    adapters: tuple[str, ...]
    options: dict[str, Any]
    requantise: str
    slow_share: float
    path: str | None


class Inventory:
    """The models of a catalogue, with what is on disk and which of them a server has loaded.

    Blocking.
    """

    def __init__(self, catalog: Catalog, library: Library, loaded: Collection[str]) -> None:
        """`loaded` are the ids of the models that a server has loaded."""
        self._catalog = catalog
        self._library = library
        self._loaded = loaded

    def models(self) -> Iterator[ModelInfo]:
        """Every model, each followed by its adapters."""
        for spec in self._catalog.specs():
            yield ModelInfo(**self._facts(spec))
            for adapter in spec.adapters:
                yield ModelInfo(**self._adapter_facts(spec, f"{spec.id}:{adapter.name}"))

    def details(self, name: str) -> ModelDetails:
        """The model with this id or alias, or the upstream or recommended model with this id.
        Raises ModelNotFound.
        """
        upstreams = {spec.id: spec for spec in self._catalog.specs() if spec.prefix is not None}
        if name in upstreams:
            return self._details(upstreams[name], self._facts(upstreams[name]))
        model = self._catalog.known(name)
        if model.variant is None or model.spec.prefix is not None:
            return self._details(model.spec, self._facts(model.spec))
        weights = self._adapter_weights(model.spec, model.id)
        return self._details(weights, self._adapter_facts(model.spec, model.id))

    def _details(self, spec: ModelSpec, facts: dict[str, Any]) -> ModelDetails:
        path = self._library.find(spec)
        return ModelDetails(
            **facts,
            adapters=tuple(adapter.name for adapter in spec.adapters),
            options={
                name: "…" if name in SECRET_OPTIONS else value
                for name, value in spec.options.items()
            },
            requantise=spec.requantise,
            slow_share=self._library.slow_share(spec),
            path=None if path is None else str(path),
        )

    def _facts(self, spec: ModelSpec) -> dict[str, Any]:
        """The fields of ModelInfo."""
        inherited = capabilities_of(spec.engine, spec.options)
        found = self._library.find(spec) is not None
        return {
            "id": spec.id,
            "engine": spec.engine,
            "capabilities": tuple(name for name, base in CAPABILITIES.items() if base in inherited),
            "state": self._state(spec, found),
            "size_on_disk": self._library.size(spec) if found else None,
            "download_size": self._library.download_size(spec) if spec.source else None,
            "license": spec.license or None,
            "source": spec.source or None,
            "aliases": spec.aliases,
            "prefix": spec.prefix,
            "base_model": None,
        }

    def _adapter_facts(self, spec: ModelSpec, id: str) -> dict[str, Any]:
        facts = self._facts(self._adapter_weights(spec, id))
        state = "loaded" if spec.id in self._loaded else facts["state"]
        return facts | {"state": state, "base_model": spec.id}

    def _adapter_weights(self, spec: ModelSpec, id: str) -> ModelSpec:
        weights = {adapter.id: adapter for adapter in adapter_specs(spec)}
        return weights.get(id) or ModelSpec(id=id, engine=spec.engine)

    def _state(self, spec: ModelSpec, found: bool) -> State:
        if spec.id in self._loaded:
            return "loaded"
        if not spec.source:
            return "no_weights"
        if found:
            return "on_disk"
        return "missing" if self._library.download_size(spec) == 0 else "not_downloaded"
