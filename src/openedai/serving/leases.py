"""Leases of engines for calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from openedai.catalog.catalog import Catalog
from openedai.contract.engine import Engine
from openedai.errors import ModelNotFound
from openedai.scheduling.pool import ModelPool
from openedai.scheduling.state import Occupancy
from openedai.serving.call import Call
from openedai.serving.limits.costs import EngineRequest
from openedai.serving.limits.limiting import Limiting
from openedai.serving.tracing.context import TraceHeaders

E = TypeVar("E", bound=Engine)


class Leases:
    def __init__(
        self, pool: ModelPool, catalog: Catalog, limiting: Limiting, trace: TraceHeaders
    ) -> None:
        """`trace` are the headers that tell other servers the trace of a request."""
        self._pool = pool
        self._catalog = catalog
        self._limiting = limiting
        self._trace = trace

    @asynccontextmanager
    async def lease(
        self,
        call: Call[Any],
        capability: type[E],
        slots: int = 1,
        engine_request: EngineRequest | None = None,
    ) -> AsyncIterator[E]:
        """Hold `slots` slots of the call's engine, or all if it has fewer.

        If `engine_request`, the work for the model, is given, the caller's limits apply to it.
        Raises ModelNotFound for a model that the key may not use, RateLimited, and as
        `ModelPool.lease` does.
        """
        self.check(call)
        limited = (
            None if engine_request is None else await self._limiting.begin(call, engine_request)
        )
        leased = left = False
        try:
            async with self._engine(call, capability, slots) as engine:
                leased = True
                yield engine
        except (GeneratorExit, asyncio.CancelledError):
            left = True
            raise
        finally:
            if limited is not None:
                self._limiting.end(call, limited, leased=leased, left=left)

    def check(self, call: Call[Any]) -> None:
        """Raise ModelNotFound for a model of another owner, and for one that the key may not
        use.
        """
        foreign = call.model.owner not in (None, call.exchange.owner)
        if foreign or not self._catalog.permits(call.exchange.identity, call.model.id):
            raise ModelNotFound(call.model.id)

    def show_limits(self, call: Call[Any]) -> None:
        """Have the answer report the limits of the caller, if there are any."""
        self._limiting.show(call)

    def occupancy(self, call: Call[Any]) -> Occupancy:
        """The number of requests that the call's model accepts."""
        return self._pool.occupancy(call.spec)

    @asynccontextmanager
    async def _engine(self, call: Call[Any], capability: type[E], slots: int) -> AsyncIterator[E]:
        exchange = call.exchange
        background = exchange.background
        exchange.queued_at = exchange.seconds
        async with self._pool.lease(
            call.spec, capability, call.caller, slots, background
        ) as engine:
            exchange.leased_at = now = exchange.seconds
            exchange.loading = None
            ages = self._pool.load_ages(call.spec)
            if ages is not None and now - ages[1] > exchange.queued_at:
                exchange.loading = max(exchange.queued_at, now - ages[0]), now - ages[1]
            if call.model.adapter is not None:
                await engine.add_adapter(call.model.adapter)
            yield engine.within_trace(partial(self._trace, exchange))
