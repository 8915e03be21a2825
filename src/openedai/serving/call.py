"""One request to one model, without HTTP."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from openedai.catalog.models import Model
from openedai.config import ModelSpec
from openedai.http.exchange import Exchange
from openedai.http.uses import Use

B = TypeVar("B", covariant=True)


@dataclass(frozen=True)
class Call(Generic[B]):
    """`body` is the parsed request, `model` the model that it is for.

    `exchange` records its progress; `headers` are added to its answer.
    """

    body: B
    model: Model
    exchange: Exchange
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> str:
        """An opaque name of the caller."""
        return self.exchange.caller

    def within(self, model: Model) -> Call[B]:
        """A call to another model that is a part of this one; it records its own times."""
        return replace(self, model=model, exchange=copy(self.exchange))

    def use(self, kind: str) -> Use:
        """The record of what the request uses of the model, which is leased now, for work of this
        kind.
        """
        return self.exchange.use(self.model.id, self.spec.id, kind)

    @property
    def spec(self) -> ModelSpec:
        """The spec that is loaded for the model."""
        return self.model.spec
