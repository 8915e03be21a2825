"""Requests, tokens and costs by project or key, for Prometheus."""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry, Counter

from openedai.http.exchange import Exchange
from openedai.serving.usage.prices import Prices

# Each has a few time series of its own for as long as the server runs.
MOST_OWNERS = 1000
OTHERS = "others"


class OwnerMetrics:
    """A `Recorder` of what each project or key used. Those beyond the first ones are counted
    together.
    """

    def __init__(
        self, registry: CollectorRegistry, by: Literal["project", "key"], prices: Prices
    ) -> None:
        self._by = by
        self._prices = prices
        self._known: set[str] = set()
        self._requests = Counter(
            "openedai_owner_requests", "Requests that used a model.", ("owner",), registry=registry
        )
        self._tokens = Counter(
            "openedai_owner_tokens",
            "Tokens read and written.",
            ("owner", "kind"),
            registry=registry,
        )
        self._costs = Counter(
            "openedai_owner_cost_usd", "Costs by the prices set.", ("owner",), registry=registry
        )

    def record(self, exchange: Exchange, route: str) -> None:
        if not exchange.uses:
            return
        owner = self._owner(exchange)
        self._requests.labels(owner).inc()
        for use in exchange.uses.values():
            self._tokens.labels(owner, "prompt").inc(use.prompt_tokens)
            self._tokens.labels(owner, "cached").inc(use.cached_tokens)
            self._tokens.labels(owner, "completion").inc(use.completion_tokens)
            self._costs.labels(owner).inc(self._prices.costs(use).total)

    def _owner(self, exchange: Exchange) -> str:
        identity = exchange.identity
        owner = identity.project if self._by == "project" else identity.key_id
        if owner not in self._known:
            if len(self._known) >= MOST_OWNERS:
                return OTHERS
            self._known.add(owner)
        return owner
