"""The names of models: ids, aliases and defaults, out of the settings and the built-in models.

A model of the API is a spec, or a variant of one: the spec with an adapter, or one of the models
that an upstream has behind a prefix.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from openedai.catalog.builtin import BUILTIN_MODELS, default_names
from openedai.config import ConfigError, ModelSpec, Settings
from openedai.engines.registry import ENGINES
from openedai.errors import ModelNotFound
from openedai.weights.packages import builtin_packages
from openedai.weights.sources import HUB_NAME, source_of
from openedai.weights.sources.base import GGUF_ENGINES, Access

CHAT_ENGINES = frozenset({"llama_cpp", "upstream", "echo"})
EMBEDDING_ENGINES = frozenset({"onnx_embeddings", "sentence_transformers", "upstream", "echo"})
DEVICE_ENGINES = EMBEDDING_ENGINES - CHAT_ENGINES
ADAPTER_ENGINES = frozenset({"llama_cpp", "echo"})
DIRECTORY_ENGINES = frozenset({"upstream", "echo"})
PATH_STARTS = ("/", "./", "../", "~")


@dataclass(frozen=True)
class Model:
    """What a name means: `id` is how answers call it, `spec` is what is loaded for it, and
    `variant` which of the models behind the loaded engine it is; None is the only one.
    """

    id: str
    spec: ModelSpec
    variant: str | None = None


class Catalog:
    """Every model that the settings offer. Nothing is looked up outside of the settings."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError."""
        builtin = BUILTIN_MODELS if settings.builtin_models else ()
        given = {spec.id: spec for spec in (*builtin, *settings.models)}
        known = _Names(given, {name: spec.id for spec in given.values() for name in _names(spec)})
        chat = _unlisted_chat(settings, known)
        embedding = _unlisted_embedding(settings, known)
        users = (*settings.models, *(spec for spec in (chat, embedding) if spec))
        specs = {spec.id: spec for spec in (*builtin, *users)}
        _check_names(users, specs)
        owners = _owners(builtin, users, specs)
        names = _Names(specs, owners)
        self._chat = _default(settings, "chat_model", chat, names)
        self._embedding = _default(settings, "embedding_model", embedding, names)
        if settings.default_aliases:
            usual = default_names()
            for id, aliases in ((self._chat, usual.chat), (self._embedding, usual.embedding)):
                if id is not None:
                    owners = dict.fromkeys(aliases, id) | owners
        self._names = _Names(_effective(settings, specs, owners), owners)
        for name in settings.listed_aliases:
            if self._names.find(name) is None:
                raise ConfigError(f"listed_aliases: there is no model {name!r}.")

    @property
    def default_chat(self) -> Model | None:
        """The model for chat and completions; None if no model can generate text."""
        return self.resolve(self._chat) if self._chat else None

    @property
    def default_embedding(self) -> Model | None:
        """The model for embeddings; None if no model can embed."""
        return self.resolve(self._embedding) if self._embedding else None

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
        """The model that an id or an alias means. Raises ModelNotFound."""
        model = self._names.find(name)
        if model is None:
            raise ModelNotFound(name)
        return model


class _Names:
    """What every name means. `owners` has the id of a model for each id and alias."""

    def __init__(self, specs: dict[str, ModelSpec], owners: dict[str, str]) -> None:
        self.specs = specs
        self.owners = owners
        self.models = {model.id: model for spec in specs.values() for model in _models(spec)}
        self._prefixes = sorted(
            ((spec.prefix, spec) for spec in specs.values() if spec.prefix is not None),
            key=lambda pair: -len(pair[0]),
        )

    def find(self, name: str) -> Model | None:
        meant = self.owners.get(name, name)
        if model := self.models.get(meant):
            return model
        base, colon, adapter = name.rpartition(":")
        if colon and (model := self.models.get(f"{self.owners.get(base, base)}:{adapter}")):
            return model
        for prefix, spec in self._prefixes:
            if meant.startswith(prefix) and meant != prefix:
                return Model(meant, spec, meant.removeprefix(prefix))
        return None


def _names(spec: ModelSpec) -> tuple[str, ...]:
    """Every name of a spec but those of its adapters."""
    return () if spec.prefix is not None else (spec.id, *spec.aliases)


def _models(spec: ModelSpec) -> tuple[Model, ...]:
    """The models that a spec is served as, as far as it says them."""
    if spec.prefix is not None:
        return ()
    adapted = (Model(f"{spec.id}:{one.name}", spec, one.name) for one in spec.adapters)
    return (Model(spec.id, spec), *adapted)


def _is_asked_for(settings: Settings, setting: str) -> bool:
    return settings.builtin_models or setting in settings.model_fields_set


def _is_listed(settings: Settings, setting: str, names: _Names) -> bool:
    """Whether a default is in the catalogue, or was never asked for where nothing is built in."""
    asked_for = _is_asked_for(settings, setting)
    return not asked_for or names.find(getattr(settings, setting)) is not None


def _unlisted_chat(settings: Settings, names: _Names) -> ModelSpec | None:
    """The chat model as a hub's repository or a file, where it is not in the catalogue."""
    name = settings.chat_model
    if _is_listed(settings, "chat_model", names):
        return None
    if name.startswith("hf:"):
        return ModelSpec(id=name.removeprefix("hf:"), engine="llama_cpp", source=name)
    if name.lower().endswith(".gguf"):
        return ModelSpec(id=Path(name).stem, engine="llama_cpp", source=name)
    raise ConfigError(
        f"chat_model {name!r} is no model of the catalogue, no `hf:owner/repo[:quant]` and no "
        f"path to a .gguf file. The catalogue has: {', '.join(sorted(names.owners)) or 'nothing'}."
    )


def _unlisted_embedding(settings: Settings, names: _Names) -> ModelSpec | None:
    """The embedding model as a hub's repository or a folder, where it is not in the catalogue."""
    name = settings.embedding_model
    if _is_listed(settings, "embedding_model", names):
        return None
    if name.startswith(PATH_STARTS):
        return ModelSpec(id=Path(name).name, engine="onnx_embeddings", source=name)
    hub = name if "/" in name else f"hf:sentence-transformers/{name}"
    hub = hub if hub.startswith("hf:") else f"hf:{hub}"
    if not name or not HUB_NAME.fullmatch(hub):
        raise ConfigError(
            f"embedding_model {name!r} is no model of the catalogue, no path and no name on the "
            f"hub. The catalogue has: {', '.join(sorted(names.owners)) or 'nothing'}."
        )
    return ModelSpec(id=name.removeprefix("hf:"), engine="onnx_embeddings", source=hub)


def _check_names(users: tuple[ModelSpec, ...], specs: dict[str, ModelSpec]) -> None:
    """Each id once; each alias of the user's models once, and none that is an id."""
    counts = Counter(spec.id for spec in users)
    adapted = Counter(m.id for spec in specs.values() for m in _models(spec) if m.variant)
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


def _owners(
    builtin: tuple[ModelSpec, ...], users: tuple[ModelSpec, ...], specs: dict[str, ModelSpec]
) -> dict[str, str]:
    """Each name's model: ids before the user's aliases before those of the built-in models."""
    current = [spec for spec in builtin if specs[spec.id] is spec]
    owners = {alias: spec.id for spec in (*current, *users) for alias in _names(spec)}
    return owners | {model.id: model.id for spec in specs.values() for model in _models(spec)}


def _default(
    settings: Settings, setting: str, unlisted: ModelSpec | None, names: _Names
) -> str | None:
    """The id of a default model."""
    engines = CHAT_ENGINES if setting == "chat_model" else EMBEDDING_ENGINES
    name = unlisted.id if unlisted else getattr(settings, setting)
    wanted = _is_asked_for(settings, setting) or name in names.owners
    model = names.find(name) if wanted else None
    if model is None:
        able = (one.id for one in names.models.values() if one.spec.engine in engines)
        return next(able, None)
    if model.spec.engine not in engines:
        raise ConfigError(f"{setting} {name!r} runs on {model.spec.engine}, which cannot do that.")
    return model.id


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
        _check_variants(spec)
        try:
            for one in (spec, *adapter_specs(spec)):
                source_of(one, access)
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


def adapter_specs(spec: ModelSpec) -> tuple[ModelSpec, ...]:
    """The adapters of a model as weights of their own, to be pulled as the model's are."""
    if spec.engine not in GGUF_ENGINES:
        return ()
    return tuple(
        ModelSpec(id=f"{spec.id}:{adapter.name}", engine=spec.engine, source=adapter.source)
        for adapter in spec.adapters
    )


def _check_variants(spec: ModelSpec) -> None:
    if spec.adapters and spec.engine not in ADAPTER_ENGINES:
        raise ConfigError(f"Model {spec.id!r}: the engine {spec.engine} takes no `adapters`.")
    if spec.prefix is None:
        return
    if spec.engine not in DIRECTORY_ENGINES:
        raise ConfigError(f"Model {spec.id!r}: the engine {spec.engine} takes no `prefix`.")
    if spec.aliases or spec.adapters:
        raise ConfigError(f"Model {spec.id!r}: with a `prefix` it has no `aliases` or `adapters`.")


def _aliases(spec: ModelSpec, owners: dict[str, str]) -> tuple[str, ...]:
    """Its own first, as far as they mean this model; then those that the settings give it."""
    names = dict.fromkeys((*spec.aliases, *owners))
    return tuple(name for name in names if name != spec.id and owners[name] == spec.id)
