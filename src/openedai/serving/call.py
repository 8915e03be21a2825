"""One request to one model, from wherever it came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from openedai.catalog.models import Model
from openedai.config import ModelSpec
from openedai.http.exchange import Exchange

B = TypeVar("B", covariant=True)


@dataclass(frozen=True)
class Call(Generic[B]):
    """`body` is the request as its endpoint parsed it, `model` the one that it is for.

    `exchange` records what becomes of it; `headers` are those that its answer must carry.
    """

    body: B
    model: Model
    exchange: Exchange
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> str:
        """An opaque name of who is calling."""
        return self.exchange.caller

    @property
    def spec(self) -> ModelSpec:
        """What is loaded for the model."""
        return self.model.spec
