"""Leases of engines for calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from openedai.catalog.catalog import Catalog
from openedai.contract.engine import Engine
from openedai.errors import ModelNotFound
from openedai.scheduling.pool import ModelPool
from openedai.scheduling.state import Occupancy
from openedai.serving.call import Call

E = TypeVar("E", bound=Engine)


class Leases:
    def __init__(self, pool: ModelPool, catalog: Catalog) -> None:
        self._pool = pool
        self._catalog = catalog

    @asynccontextmanager
    async def lease(self, call: Call[Any], capability: type[E], slots: int = 1) -> AsyncIterator[E]:
        """Hold `slots` of the slots of the call's engine, or all if it has fewer.

        Raises ModelNotFound for a model that the key may not use, and as `ModelPool.lease` does.
        """
        self.check(call)
        exchange = call.exchange
        background = exchange.background
        exchange.asked_at = exchange.seconds
        async with self._pool.lease(
            call.spec, capability, call.caller, slots, background
        ) as engine:
            exchange.leased_at = exchange.seconds
            if call.model.adapter is not None:
                await engine.add_adapter(call.model.adapter)
            yield engine

    def check(self, call: Call[Any]) -> None:
        """Raise ModelNotFound for a model of another owner, and one that the key is not for."""
        foreign = call.model.owner not in (None, call.exchange.owner)
        if foreign or not self._catalog.permits(call.exchange.identity, call.model.id):
            raise ModelNotFound(call.model.id)

    def occupancy(self, call: Call[Any]) -> Occupancy:
        """The number of requests that the call's model accepts."""
        return self._pool.occupancy(call.spec)
