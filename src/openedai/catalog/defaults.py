"""The default models: one for each kind of work, to which the names that apps hard-code refer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from openedai.catalog.builtin import default_names
from openedai.catalog.names import NameTable, names_of
from openedai.catalog.unlisted import (
    unlisted_chat_model,
    unlisted_embedding_model,
    unlisted_rerank_model,
)
from openedai.config import ConfigError, ModelSpec, Settings
from openedai.contract.engine import (
    Embedder,
    Engine,
    Generator,
    ImageMaker,
    ImageModerator,
    Moderator,
    Reranker,
    Speaker,
    Transcriber,
)
from openedai.engines.registry import capabilities_of, default_capabilities_of, engine_entry


@dataclass(frozen=True)
class Kind:
    """A kind of work. `name` is the key of its names in `names.toml`; its setting is `name_model`.

    `unlisted` makes the spec of a model that is not in the catalogue, from its name and the listed
    names. If nothing is configured, the default model of the kind `shares` is also the default of
    this one, if it is suitable.
    """

    name: str
    capability: type[Engine]
    unlisted: Callable[[str, Iterable[str]], ModelSpec] | None = None
    shares: Kind | None = None

    @property
    def setting(self) -> str:
        return f"{self.name}_model"


CHAT = Kind("chat", Generator, unlisted_chat_model)
EMBEDDING = Kind("embedding", Embedder, unlisted_embedding_model)
RERANK = Kind("rerank", Reranker, unlisted_rerank_model)
TRANSCRIPTION = Kind("transcription", Transcriber)
SPEECH = Kind("speech", Speaker)
IMAGE = Kind("image", ImageMaker)
MODERATION = Kind("moderation", Moderator, shares=EMBEDDING)
IMAGE_MODERATION = Kind("image_moderation", ImageModerator)
KINDS = (
    CHAT,
    EMBEDDING,
    RERANK,
    TRANSCRIPTION,
    SPEECH,
    IMAGE,
    MODERATION,
    IMAGE_MODERATION,
)


def unlisted_defaults(settings: Settings, listed: NameTable) -> dict[Kind, ModelSpec]:
    """Specs for the configured default models that are not in the catalogue. Raises ConfigError."""
    names = {name for spec in listed.specs.values() for name in names_of(spec)}
    return {
        kind: kind.unlisted(_configured(settings, kind), names)
        for kind in KINDS
        if kind.unlisted is not None
        and _is_configured(settings, kind)
        and listed.find(_configured(settings, kind)) is None
    }


def default_id(
    kind: Kind, settings: Settings, unlisted: Mapping[Kind, ModelSpec], names: NameTable
) -> str | None:
    """The id of a default model: the configured one, or else the first that can do this kind of
    work.

    None if no model can. Raises ConfigError.
    """
    name = unlisted[kind].id if kind in unlisted else _configured(settings, kind)
    is_candidate = _is_configured(settings, kind) or name in names.owners
    model = names.find(name) if is_candidate else None
    if model is not None:
        if kind.capability not in capabilities_of(model.spec.engine, model.spec.options):
            raise ConfigError(f"{kind.setting} {name!r} {_reason(model.spec, kind)}.")
        return model.id
    if _is_configured(settings, kind):
        raise ConfigError(f"{kind.setting} {name!r} is not a model of the catalogue.")
    shared = default_id(kind.shares, settings, unlisted, names) if kind.shares else None
    models = [names.models[shared]] if shared else []
    able = (one.id for one in (*models, *names.models.values()) if _may_be_default(one.spec, kind))
    return next(able, None)


def default_aliases(ids: Mapping[Kind, str | None]) -> dict[str, str]:
    """The names that apps hard-code, each with the id of the default model that it refers to.

    Without a reranker, the names of rerankers refer to the default embedding model.
    """
    names = default_names()
    ids = {**ids, RERANK: ids[RERANK] or ids[EMBEDDING]}
    return {
        name: id
        for kind in reversed(KINDS)
        if (id := ids[kind]) is not None
        for name in names.get(kind.name, ())
    }


def _configured(settings: Settings, kind: Kind) -> str:
    name: str = getattr(settings, kind.setting)
    return name


def _is_configured(settings: Settings, kind: Kind) -> bool:
    """Whether the setting applies. Its default is a built-in model, so not if these are off, or it
    is empty for kinds without one.
    """
    given = kind.setting in settings.given
    if kind not in (CHAT, EMBEDDING) and not _configured(settings, kind):
        return False
    return settings.builtin_models or given


def _reason(spec: ModelSpec, kind: Kind) -> str:
    if kind.capability in engine_entry(spec.engine).capabilities:
        return f"has no {kind.name!r} among its `capabilities`"
    return f"cannot be the {kind.name.replace('_', ' ')} model: it runs on {spec.engine}"


def _may_be_default(spec: ModelSpec, kind: Kind) -> bool:
    return kind.capability in default_capabilities_of(spec.engine, spec.options)
