"""The names of models: ids, aliases and defaults, out of the settings and the built-in models."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from openedai.config import ConfigError, ModelSpec, Settings
from openedai.engines.registry import ENGINES
from openedai.errors import ModelNotFound
from openedai.models.builtin import BUILTIN_MODELS, default_names
from openedai.models.packages import builtin_packages
from openedai.models.sources import HUB_NAME, source_of
from openedai.models.sources.base import GGUF_ENGINES, Access

CHAT_ENGINES = frozenset({"llama_cpp", "echo"})
EMBEDDING_ENGINES = frozenset({"onnx_embeddings", "sentence_transformers", "echo"})
DEVICE_ENGINES = EMBEDDING_ENGINES - CHAT_ENGINES
PATH_STARTS = ("/", "./", "../", "~")


class Catalog:
    """Every model that the settings offer. Nothing is looked up outside of the settings."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError."""
        builtin = BUILTIN_MODELS if settings.builtin_models else ()
        known = {name for spec in (*builtin, *settings.models) for name in (spec.id, *spec.aliases)}
        chat = _unlisted_chat(settings, known)
        embedding = _unlisted_embedding(settings, known)
        users = (*settings.models, *(spec for spec in (chat, embedding) if spec))
        specs = {spec.id: spec for spec in (*builtin, *users)}
        _check_names(users, specs)
        owners = _owners(builtin, users, specs)
        self._chat = _default(settings, "chat_model", chat, owners, specs)
        self._embedding = _default(settings, "embedding_model", embedding, owners, specs)
        if settings.default_aliases:
            names = default_names()
            for id, aliases in ((self._chat, names.chat), (self._embedding, names.embedding)):
                if id is not None:
                    owners = dict.fromkeys(aliases, id) | owners
        self._owners = owners
        self._specs = _effective(settings, specs, owners)

    @property
    def default_chat(self) -> ModelSpec | None:
        """The model for chat and completions; None if no model can generate text."""
        return self._specs[self._chat] if self._chat else None

    @property
    def default_embedding(self) -> ModelSpec | None:
        """The model for embeddings; None if no model can embed."""
        return self._specs[self._embedding] if self._embedding else None

    def specs(self) -> tuple[ModelSpec, ...]:
        """Every model, with all its aliases, options and its licence filled in."""
        return tuple(self._specs.values())

    def preloaded(self, names: tuple[str, ...]) -> list[ModelSpec]:
        """The models that are loaded at the start; `all` means each. Raises ConfigError."""
        if "all" in names:
            return list(self.specs())
        try:
            return [self.resolve(name) for name in names]
        except ModelNotFound as error:
            raise ConfigError(f"preload: {error.message}") from error

    def resolve(self, name: str) -> ModelSpec:
        """The model that an id or an alias means. Raises ModelNotFound."""
        try:
            return self._specs[self._owners[name]]
        except KeyError:
            raise ModelNotFound(name) from None


def _is_listed(settings: Settings, setting: str, known: set[str]) -> bool:
    """Whether a default is in the catalogue, or was never asked for where nothing is built in."""
    asked_for = settings.builtin_models or setting in settings.model_fields_set
    return getattr(settings, setting) in known or not asked_for


def _unlisted_chat(settings: Settings, known: set[str]) -> ModelSpec | None:
    """The chat model as a hub's repository or a file, where it is not in the catalogue."""
    name = settings.chat_model
    if _is_listed(settings, "chat_model", known):
        return None
    if name.startswith("hf:"):
        return ModelSpec(id=name.removeprefix("hf:"), engine="llama_cpp", source=name)
    if name.lower().endswith(".gguf"):
        return ModelSpec(id=Path(name).stem, engine="llama_cpp", source=name)
    raise ConfigError(
        f"chat_model {name!r} is no model of the catalogue, no `hf:owner/repo[:quant]` and no "
        f"path to a .gguf file. The catalogue has: {', '.join(sorted(known)) or 'nothing'}."
    )


def _unlisted_embedding(settings: Settings, known: set[str]) -> ModelSpec | None:
    """The embedding model as a hub's repository or a folder, where it is not in the catalogue."""
    name = settings.embedding_model
    if _is_listed(settings, "embedding_model", known):
        return None
    if name.startswith(PATH_STARTS):
        return ModelSpec(id=Path(name).name, engine="onnx_embeddings", source=name)
    hub = name if "/" in name else f"hf:sentence-transformers/{name}"
    hub = hub if hub.startswith("hf:") else f"hf:{hub}"
    if not name or not HUB_NAME.fullmatch(hub):
        raise ConfigError(
            f"embedding_model {name!r} is no model of the catalogue, no path and no name on the "
            f"hub. The catalogue has: {', '.join(sorted(known)) or 'nothing'}."
        )
    return ModelSpec(id=name.removeprefix("hf:"), engine="onnx_embeddings", source=hub)


def _check_names(users: tuple[ModelSpec, ...], specs: dict[str, ModelSpec]) -> None:
    """Each id once; each alias of the user's models once, and none that is an id."""
    for id, count in Counter(spec.id for spec in users).items():
        if count > 1:
            raise ConfigError(f"There are {count} models with the id {id!r}.")
    owner: dict[str, str] = {}
    for spec in users:
        for alias in spec.aliases:
            if alias in specs and alias != spec.id:
                raise ConfigError(f"The alias {alias!r} of {spec.id!r} is another model's id.")
            if owner.setdefault(alias, spec.id) != spec.id:
                raise ConfigError(f"Both {owner[alias]!r} and {spec.id!r} have alias {alias!r}.")


def _owners(
    builtin: tuple[ModelSpec, ...], users: tuple[ModelSpec, ...], specs: dict[str, ModelSpec]
) -> dict[str, str]:
    """Each name's model: ids before the user's aliases before those of the built-in models."""
    current = [spec for spec in builtin if specs[spec.id] is spec]
    owners = {alias: spec.id for spec in (*current, *users) for alias in spec.aliases}
    return owners | {id: id for id in specs}


def _default(
    settings: Settings,
    setting: str,
    unlisted: ModelSpec | None,
    owners: dict[str, str],
    specs: dict[str, ModelSpec],
) -> str | None:
    """The id of a default model."""
    engines = CHAT_ENGINES if setting == "chat_model" else EMBEDDING_ENGINES
    name = unlisted.id if unlisted else getattr(settings, setting)
    if name not in owners:
        return next((spec.id for spec in specs.values() if spec.engine in engines), None)
    spec = specs[owners[name]]
    if spec.engine not in engines:
        raise ConfigError(f"{setting} {name!r} runs on {spec.engine}, which cannot do that.")
    return spec.id


def _effective(
    settings: Settings, specs: dict[str, ModelSpec], owners: dict[str, str]
) -> dict[str, ModelSpec]:
    """The specs with everything filled in, and checked."""
    access = Access(packages=builtin_packages())
    effective = {}
    for id, spec in specs.items():
        if spec.engine not in ENGINES:
            known = ", ".join(sorted(ENGINES))
            raise ConfigError(f"Model {id!r}: there is no engine {spec.engine!r}; known: {known}.")
        try:
            source_of(spec, access)
        except ValueError as error:
            raise ConfigError(f"Model {id!r}: {error}.") from None
        if spec.requantise != "none" and spec.engine not in GGUF_ENGINES:
            raise ConfigError(
                f"Model {id!r}: `requantise` is for GGUF weights, and {spec.engine} takes none."
            )
        package = access.packages.get(spec.source.removeprefix("pypi:"))
        device = {"device": settings.embedding_device} if spec.engine in DEVICE_ENGINES else {}
        filled = {
            "aliases": _aliases(spec, owners),
            "options": device | spec.options,
            "license": spec.license or (package.license if package else ""),
        }
        effective[id] = spec.model_copy(update=filled)
    return effective


def _aliases(spec: ModelSpec, owners: dict[str, str]) -> tuple[str, ...]:
    """Its own first, as far as they mean this model; then those that the settings give it."""
    names = dict.fromkeys((*spec.aliases, *owners))
    return tuple(name for name in names if name != spec.id and owners[name] == spec.id)
