"""The catalogue: the models of the settings and the built-in ones, their aliases and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from openedai.catalog.builtin import BUILTIN_MODELS, default_names
from openedai.catalog.checks import check_names, check_spec
from openedai.catalog.models import Model
from openedai.catalog.names import NameTable, name_table, names_of
from openedai.catalog.unlisted import unlisted_chat_model, unlisted_embedding_model
from openedai.config import ConfigError, ModelSpec, Settings
from openedai.contract.engine import Embedder, Generator
from openedai.engines.registry import engine_entry
from openedai.errors import ModelNotFound
from openedai.weights.packages import builtin_packages
from openedai.weights.sources.base import Access

DefaultSetting = Literal["chat_model", "embedding_model"]


class Catalog:
    """Every model that the settings offer. Nothing is looked up outside of the settings."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError."""
        builtin = BUILTIN_MODELS if settings.builtin_models else ()
        unlisted = _unlisted_defaults(settings, name_table(builtin, settings.models))
        users = (*settings.models, *unlisted.values())
        names = name_table(builtin, users)
        access = Access(packages=builtin_packages())
        check_names(users, names.specs)
        for spec in names.specs.values():
            check_spec(spec, access)
        self._chat_id = _default_id(settings, "chat_model", unlisted, names)
        self._embedding_id = _default_id(settings, "embedding_model", unlisted, names)
        owners = dict(names.owners)
        if settings.default_aliases:
            owners = {**_default_aliases(self._chat_id, self._embedding_id), **owners}
        specs = {id: _completed(spec, settings, owners, access) for id, spec in names.specs.items()}
        self._names = NameTable(specs, owners)
        for name in settings.listed_aliases:
            if self._names.find(name) is None:
                raise ConfigError(f"listed_aliases: there is no model {name!r}.")

    @property
    def default_chat(self) -> Model | None:
        """The model for chat and completions; None if no model can generate text."""
        return self.resolve(self._chat_id) if self._chat_id else None

    @property
    def default_embedding(self) -> Model | None:
        """The model for embeddings; None if no model can embed."""
        return self.resolve(self._embedding_id) if self._embedding_id else None

    def specs(self) -> tuple[ModelSpec, ...]:
        """Every spec, with all its aliases, options and its licence filled in."""
        return tuple(self._names.specs.values())

    def models(self) -> tuple[Model, ...]:
        """Every model whose name is known without asking an upstream."""
        return tuple(self._names.models.values())

    def preloaded(self, names: tuple[str, ...]) -> list[ModelSpec]:
        """The models that are loaded at the start; `all` means each. Raises ConfigError."""
        if "all" in names:
            return list(self.specs())
        try:
            return [self.resolve(name).spec for name in names]
        except ModelNotFound as error:
            raise ConfigError(f"preload: {error.message}") from error

    def resolve(self, name: str) -> Model:
        """The model with an id or an alias. Raises ModelNotFound."""
        model = self._names.find(name)
        if model is None:
            raise ModelNotFound(name)
        return model


def _unlisted_defaults(settings: Settings, listed: NameTable) -> dict[DefaultSetting, ModelSpec]:
    """Specs for the configured default models that are not in the catalogue, by setting."""
    names = {name for spec in listed.specs.values() for name in names_of(spec)}
    unlisted: dict[DefaultSetting, ModelSpec] = {}
    if _is_unlisted(settings, "chat_model", listed):
        unlisted["chat_model"] = unlisted_chat_model(settings.chat_model, names)
    if _is_unlisted(settings, "embedding_model", listed):
        unlisted["embedding_model"] = unlisted_embedding_model(settings.embedding_model, names)
    return unlisted


def _is_unlisted(settings: Settings, setting: DefaultSetting, listed: NameTable) -> bool:
    return _is_configured(settings, setting) and listed.find(getattr(settings, setting)) is None


def _is_configured(settings: Settings, setting: DefaultSetting) -> bool:
    """Whether the setting applies: its default is a built-in model, so not where these are off."""
    return settings.builtin_models or setting in settings.model_fields_set


def _default_id(
    settings: Settings,
    setting: DefaultSetting,
    unlisted: Mapping[DefaultSetting, ModelSpec],
    names: NameTable,
) -> str | None:
    """The id of a default model: the configured one, or else the first with the capability."""
    capability = Generator if setting == "chat_model" else Embedder
    name = unlisted[setting].id if setting in unlisted else getattr(settings, setting)
    is_candidate = _is_configured(settings, setting) or name in names.owners
    model = names.find(name) if is_candidate else None
    if model is None:
        return next(
            (
                model.id
                for model in names.models.values()
                if capability in engine_entry(model.spec.engine).capabilities
            ),
            None,
        )
    if capability not in engine_entry(model.spec.engine).capabilities:
        raise ConfigError(f"{setting} {name!r} runs on {model.spec.engine}, which cannot do that.")
    return model.id


def _default_aliases(chat_id: str | None, embedding_id: str | None) -> dict[str, str]:
    """The names that apps hard-code, each with the id of the default model that it refers to."""
    names = default_names()
    chat = dict.fromkeys(names.chat, chat_id)
    embedding = dict.fromkeys(names.embedding, embedding_id)
    return {name: id for name, id in (embedding | chat).items() if id is not None}


def _completed(
    spec: ModelSpec, settings: Settings, owners: Mapping[str, str], access: Access
) -> ModelSpec:
    """The spec with all its aliases, the options that settings give it, and its licence."""
    package = access.packages.get(spec.source.removeprefix("pypi:"))
    takes_device = engine_entry(spec.engine).takes_device
    device = {"device": settings.embedding_device} if takes_device else {}
    return spec.model_copy(
        update={
            "aliases": _aliases(spec, owners),
            "options": device | spec.options,
            "license": spec.license or (package.license if package else ""),
        }
    )


def _aliases(spec: ModelSpec, owners: Mapping[str, str]) -> tuple[str, ...]:
    """The model's own aliases, without those of another model, then those of the settings."""
    names = dict.fromkeys((*spec.aliases, *owners))
    return tuple(name for name in names if name != spec.id and owners[name] == spec.id)
