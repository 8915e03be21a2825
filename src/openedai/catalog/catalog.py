"""The catalogue: the models of the settings and the built-in ones, their aliases and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec.structs import replace

from openedai.catalog.builtin import BUILTIN_MODELS
from openedai.catalog.checks import check_names, check_spec, check_thresholds
from openedai.catalog.defaults import (
    CHAT,
    KINDS,
    Kind,
    default_aliases,
    default_id,
    unlisted_defaults,
)
from openedai.catalog.models import Model
from openedai.catalog.names import NameTable, name_table
from openedai.catalog.recommended import (
    OnDisk,
    best_for_chat,
    named_specs,
    recommended_spec,
)
from openedai.catalog.webui import webui_models
from openedai.config import ConfigError, ModelSpec, Settings
from openedai.engines.registry import engine_entry
from openedai.errors import ModelNotFound
from openedai.identity import Identity
from openedai.weights.packages import builtin_packages
from openedai.weights.sources.base import Access

# Chosen by a setting, from the recommended models on disk, from the built-in ones, or as the first
# that can chat.
Choice = Literal["setting", "disk", "packaged", "first"]


class Catalog:
    """Every model that the settings offer, and the fine-tuned ones that are in use.

    Nothing is looked up outside the settings, except which recommended models are on disk: a model
    that another process pulls is available from then on. `chat_choice` is why the default chat
    model is the default.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError."""
        self._on_disk = OnDisk(settings)
        on_disk = self._known_on_disk = self._on_disk.specs()
        builtin = BUILTIN_MODELS if settings.builtin_models else ()
        builtin = (*builtin, *named_specs(settings), *on_disk, *webui_models(settings))
        unlisted = unlisted_defaults(settings, name_table(builtin, settings.models))
        users = (*settings.models, *unlisted.values())
        check_thresholds(settings)
        names = name_table(builtin, users)
        access = Access(packages=builtin_packages())
        check_names(users, names.specs)
        for spec in names.specs.values():
            check_spec(spec, access)
        self._defaults = {kind: default_id(kind, settings, unlisted, names) for kind in KINDS}
        best = best_for_chat(settings, on_disk)
        self.chat_choice: Choice = "setting" if CHAT.setting in settings.given else "first"
        if self.chat_choice == "first" and _is_packaged(names, self._defaults[CHAT]):
            self.chat_choice = "packaged" if best is None else "disk"
            self._defaults[CHAT] = best or self._defaults[CHAT]
        owners = dict(names.owners)
        if settings.default_aliases:
            owners = {**default_aliases(self._defaults), **owners}
        specs = {id: _completed(spec, settings, owners, access) for id, spec in names.specs.items()}
        self._names = self._at_start = NameTable(specs, owners)
        self._settings, self._access = settings, access
        self._tuned: dict[str, Model] = {}
        for name in settings.listed_aliases:
            if self._names.find(name) is None:
                raise ConfigError(f"listed_aliases: there is no model {name!r}.")

    def default(self, kind: Kind) -> Model | None:
        """The default model of a kind; None if no model can do this kind of work."""
        id = self._defaults[kind]
        return None if id is None else self.resolve(id)

    def specs(self) -> tuple[ModelSpec, ...]:
        """Every spec, with all its aliases, options and its licence filled in."""
        self._look_at_disk()
        return tuple(self._names.specs.values())

    def models(self) -> tuple[Model, ...]:
        """Every model whose name is known without asking an upstream."""
        self._look_at_disk()
        return tuple(self._names.models.values())

    def preloaded(self, names: tuple[str, ...]) -> list[ModelSpec]:
        """The models that are loaded at the start, in this order. `all` means every model, and
        `default` the default chat model. Raises ConfigError.
        """
        if "all" in names:
            return list(self.specs())
        try:
            specs = [self._preloaded(name).spec for name in names]
        except ModelNotFound as error:
            raise ConfigError(f"preload: {error.message}") from error
        return list({spec.id: spec for spec in specs}.values())

    def _preloaded(self, name: str) -> Model:
        default = self.default(CHAT) if name == "default" else None
        return default or self.resolve(name)

    def resolve(self, name: str) -> Model:
        """The model with an id or an alias. Raises ModelNotFound."""
        model = self._tuned.get(name) or self._names.find(name)
        if model is None and self._look_at_disk():
            model = self._names.find(name)
        if model is None:
            raise ModelNotFound(name, advice=_advice(name))
        return model

    def nearest(self, name: str) -> str | None:
        """The name that is most like one which no model has; None if none is like it."""
        return self._names.nearest(name)

    def known(self, name: str) -> Model:
        """The model with this id or alias, or the recommended model with this id, even if it is not
        on disk. Raises ModelNotFound.
        """
        try:
            return self.resolve(name)
        except ModelNotFound:
            spec = recommended_spec(name)
            if spec is None:
                raise
            return Model(spec.id, spec)

    def permits(self, identity: Identity, name: str) -> bool:
        """Whether a key that is limited to names of models may use the model with this name. Each
        of its names stands for the model that has it and for the models fine-tuned from that one.
        """
        if identity.models is None or name in identity.models:
            return True
        model_id = self._id(name)
        ids = [self._id(named) for named in identity.models]
        return model_id in ids or model_id.startswith(tuple(f"ft:{id}:" for id in ids))

    def resolve_for(self, identity: Identity, name: str) -> Model:
        """The model with this name. Raises ModelNotFound, also if the key may not use it."""
        model = self.resolve(name)
        if not self.permits(identity, model.id):
            raise ModelNotFound(name)
        return model

    def _look_at_disk(self) -> bool:
        """Whether recommended models were added or removed since the last look.

        Models that were there at the start stay, because one of them may be the default.
        """
        now = self._on_disk.specs()
        if now is self._known_on_disk:
            return False
        new = {
            spec.id: _completed(spec, self._settings, {spec.id: spec.id}, self._access)
            for spec in now
            if self._at_start.find(spec.id) is None
        }
        names = self._at_start
        self._names = NameTable({**names.specs, **new}, {**names.owners, **{id: id for id in new}})
        self._known_on_disk = now
        return True

    def _id(self, name: str) -> str:
        try:
            return self.resolve(name).id
        except ModelNotFound:
            return name

    def set_tuned(self, name: str, model: Model | None) -> None:
        """From now on this fine-tuned model, or none, has this name."""
        if model is None:
            self._tuned.pop(name, None)
        else:
            self._tuned[name] = model


def _advice(name: str) -> str:
    """How to get the recommended model with this id; empty for any other name."""
    if recommended_spec(name) is None:
        return ""
    return f"It is a recommended model: `openedai models pull {name}` downloads it."


def _is_packaged(names: NameTable, id: str | None) -> bool:
    """Whether the model with this id is built in, and not the user's."""
    return any(names.specs.get(spec.id) is spec for spec in BUILTIN_MODELS if spec.id == id)


def _completed(
    spec: ModelSpec, settings: Settings, owners: Mapping[str, str], access: Access
) -> ModelSpec:
    """The spec, completed with all its aliases, the options from settings, and its licence."""
    package = access.packages.get(spec.source.removeprefix("pypi:"))
    takes_device = engine_entry(spec.engine).takes_device
    device = {"device": settings.embedding_device} if takes_device else {}
    return replace(
        spec,
        aliases=_aliases(spec, owners),
        options=device | spec.options,
        license=spec.license or (package.license if package else ""),
    )


def _aliases(spec: ModelSpec, owners: Mapping[str, str]) -> tuple[str, ...]:
    """The model's own aliases, without those that another model has, then those from the
    settings.
    """
    names = dict.fromkeys((*spec.aliases, *owners))
    return tuple(name for name in names if name != spec.id and owners[name] == spec.id)
