"""Recommended models: open ones on the hub, which names such as `qwen3-4b` refer to.

They belong to the catalogue only if they are on disk or named by a setting.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any, Literal

import msgspec

from openedai.catalog.names import name_table
from openedai.config import ModelSpec, Settings, memory_bytes
from openedai.contract.engine import Embedder, Generator
from openedai.engines.machine import usable_memory
from openedai.engines.registry import engine_for_gguf, engine_for_unlisted
from openedai.weights.library import Library
from openedai.weights.sources.base import Access

Use = Literal["chat", "code", "vision", "small", "embeddings"]

# The memory that a loaded model takes besides its weights and its context.
_BUFFERS = 512 << 20
# Nanoseconds; file systems keep times less precisely.
_SETTLED = 2_000_000_000


class Recommended(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of `recommended.toml`. Sizes are approximate, in bytes: `download` of all files,
    `active` of the weights that are read for each token (0 for all), `token` of the memory for a
    token of the context.
    """

    source: str
    license: str
    uses: tuple[Use, ...]
    download: int
    token: int
    options: dict[str, Any]
    active: int = 0

    @property
    def context(self) -> int:
        """Tokens."""
        context: int = self.options["context"]
        return context

    @property
    def memory(self) -> int:
        """About how many bytes of memory it takes with all slots in use."""
        tokens = self.context * int(self.options.get("slots", 1))
        return self.download + tokens * self.token + _BUFFERS

    def spec(self, id: str) -> ModelSpec:
        embeds = "embeddings" in self.uses
        engine = engine_for_gguf(Embedder) if embeds else engine_for_unlisted(Generator)
        return ModelSpec(
            id=id,
            engine=engine,
            source=self.source,
            options=dict(self.options),
            license=self.license,
        )


def recommended_models() -> dict[str, Recommended]:
    """All recommended models by id, the better ones first."""
    text = resources.files("openedai.catalog").joinpath("recommended.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), type=dict[str, Recommended])


def recommended_spec(id: str) -> ModelSpec | None:
    """The spec of the recommended model with this id, on disk or not; None if there is none."""
    model = recommended_models().get(id)
    return None if model is None else model.spec(id)


def named_specs(settings: Settings) -> tuple[ModelSpec, ...]:
    """The recommended models that `preload` names, unless the user's models have these names."""
    users = name_table((), settings.models)
    specs = (recommended_spec(name) for name in settings.preload if users.find(name) is None)
    return tuple(spec for spec in specs if spec is not None)


class OnDisk:
    """The recommended models on disk, the better ones first, without those whose names the user's
    models have. Empty without built-in models.

    Other processes pull and remove models, so the disk is read again when it has changed.
    """

    def __init__(self, settings: Settings) -> None:
        users = name_table((), settings.models)
        recommended = recommended_models() if settings.builtin_models else {}
        specs = (model.spec(id) for id, model in recommended.items())
        self._candidates = tuple(spec for spec in specs if users.find(spec.id) is None)
        # None of them is requantised, so the kernels of this processor do not matter.
        self._library = Library(settings, Access(), fast=frozenset())
        self._seen: int | None = None
        self._specs: tuple[ModelSpec, ...] = ()

    def specs(self) -> tuple[ModelSpec, ...]:
        """The specs: the same tuple while nothing changes, after some microseconds."""
        changed = self._library.changed_at() if self._candidates else None
        if changed is None:
            self._specs = ()
        elif changed != self._seen:
            # What has just changed may change again with the same timestamp.
            self._seen = changed if time.time_ns() - changed > _SETTLED else None
            found = tuple(spec for spec in self._candidates if self._library.ready(spec))
            self._specs = self._specs if found == self._specs else found
        return self._specs


def best_for_chat(settings: Settings, on_disk: Iterable[ModelSpec]) -> str | None:
    """The id of the best chat model among these that fits the memory for models; None if there is
    none, or if `chat_model` is set.
    """
    if "chat_model" in settings.given:
        return None
    ids = [spec.id for spec in on_disk]
    if not ids:
        return None
    models = recommended_models()
    budget = memory_bytes(settings.memory_budget, total=usable_memory())
    fitting = (id for id in ids if "chat" in models[id].uses and models[id].memory <= budget)
    return next(fitting, None)
