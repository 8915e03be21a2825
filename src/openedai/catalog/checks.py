"""Checks of the models in the settings. Each raises ConfigError with the model and the problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from openedai.catalog.models import adapter_specs, models_of, training_spec
from openedai.config import ConfigError, ModelSpec, Settings
from openedai.contract.engine import Directory
from openedai.contract.moderate import CATEGORIES
from openedai.engines.registry import ENGINES, engine_entry
from openedai.weights.sources import source_of
from openedai.weights.sources.base import Access


def check_spec(spec: ModelSpec, access: Access) -> None:
    """Check that the engine exists, and accepts the sources and other settings of the model."""
    if spec.engine not in ENGINES:
        known = ", ".join(sorted(ENGINES))
        raise ConfigError(f"Model {spec.id!r}: there is no engine {spec.engine!r}; known: {known}.")
    _check_variants(spec)
    try:
        for one in (spec, *adapter_specs(spec)):
            source_of(one, access)
    except ValueError as error:
        raise ConfigError(f"Model {spec.id!r}: {error}.") from None
    _check_training(spec, access)
    if spec.requantise != "none" and engine_entry(spec.engine).weight_files != "gguf":
        raise ConfigError(
            f"Model {spec.id!r}: `requantise` is for GGUF weights, and {spec.engine} takes none."
        )


def _check_training(spec: ModelSpec, access: Access) -> None:
    source = training_spec(spec)
    if source is None:
        return
    entry = engine_entry(spec.engine)
    if entry.weight_files != "gguf" or not entry.takes_adapters:
        raise ConfigError(f"Model {spec.id!r}: {spec.engine} takes no `training_source`.")
    try:
        source_of(source, access)
    except ValueError as error:
        raise ConfigError(f"Model {spec.id!r}: training_source: {error}.") from None


def check_thresholds(settings: Settings) -> None:
    """Check that `moderation_thresholds` names categories."""
    for name in settings.moderation_thresholds:
        if name not in CATEGORIES:
            known = ", ".join(CATEGORIES)
            raise ConfigError(f"moderation_thresholds: no category {name!r}; known: {known}.")


def _check_variants(spec: ModelSpec) -> None:
    entry = engine_entry(spec.engine)
    if spec.adapters and not entry.takes_adapters:
        raise ConfigError(f"Model {spec.id!r}: the engine {spec.engine} takes no `adapters`.")
    if spec.prefix is None:
        return
    if Directory not in entry.capabilities:
        raise ConfigError(f"Model {spec.id!r}: the engine {spec.engine} takes no `prefix`.")
    if spec.aliases or spec.adapters:
        raise ConfigError(f"Model {spec.id!r}: with a `prefix` it has no `aliases` or `adapters`.")


def check_names(users: tuple[ModelSpec, ...], specs: Mapping[str, ModelSpec]) -> None:
    """Ids are unique; aliases of the user's models are too, and none is an id.

    `specs` are all models by id, the user's and the built-in ones.
    """
    counts = Counter(spec.id for spec in users)
    adapted = Counter(
        model.id for spec in specs.values() for model in models_of(spec) if model.variant
    )
    for id, count in (counts + adapted).items():
        if count > 1 or (id in adapted and id in specs):
            raise ConfigError(f"There are {max(count, 2)} models with the id {id!r}.")
    owner: dict[str, str] = {}
    for spec in users:
        for alias in spec.aliases:
            if (alias in specs and alias != spec.id) or alias in adapted:
                raise ConfigError(f"The alias {alias!r} of {spec.id!r} is another model's id.")
            if owner.setdefault(alias, spec.id) != spec.id:
                raise ConfigError(f"Both {owner[alias]!r} and {spec.id!r} have alias {alias!r}.")
