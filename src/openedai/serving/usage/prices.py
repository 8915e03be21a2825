"""What the use of a model costs, by the prices in the settings at the time of use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from openedai.config import Price
from openedai.http.uses import Use
from openedai.serving.usage.kinds import FINE_TUNING

_MILLION = 1_000_000
_MINUTE = 60  # seconds


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs in US dollars. `units` is for what is not counted in tokens, and for training."""

    input: float = 0.0
    cached: float = 0.0
    output: float = 0.0
    units: float = 0.0

    @property
    def total(self) -> float:
        return self.input + self.cached + self.output + self.units


FREE = Costs()


class Prices:
    """`prices` are by the ids of models. A model without a price has the price of the spec that is
    loaded for it: an adapter or a fine-tuned model that of its base, a model of an upstream that of
    the upstream.
    """

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = prices

    def costs(self, use: Use) -> Costs:
        """The costs; zero for a model without a price."""
        price = self._prices.get(use.model) or self._prices.get(use.spec)
        if price is None:
            return FREE
        if use.kind == FINE_TUNING:
            return Costs(units=use.prompt_tokens * price.training / _MILLION)
        cached_price = price.input if price.cached_input is None else price.cached_input
        return Costs(
            input=(use.prompt_tokens - use.cached_tokens) * price.input / _MILLION,
            cached=use.cached_tokens * cached_price / _MILLION,
            output=use.completion_tokens * price.output / _MILLION,
            units=use.images * price.image
            + use.audio_seconds * price.audio_minute / _MINUTE
            + use.characters * price.characters / _MILLION,
        )
