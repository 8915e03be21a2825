"""The models that requests can name, including those of upstreams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from openedai.catalog.catalog import Catalog
from openedai.config import ModelSpec
from openedai.contract.engine import Directory
from openedai.errors import APIError
from openedai.http.exchange import Exchange
from openedai.scheduling.pool import ModelPool
from openedai.serving.fine_tuning.models import TunedModels

log = logging.getLogger("openedai.serving")

_UPSTREAM_TIMEOUT = 5.0  # seconds


class Listing:
    """`started` is when the server started, in seconds since 1970: models count as created then.

    `aliases` are listed after the ids.
    """

    def __init__(
        self,
        catalog: Catalog,
        pool: ModelPool,
        aliases: Sequence[str],
        tuned: TunedModels,
        started: int,
    ) -> None:
        self._catalog = catalog
        self._pool = pool
        self._aliases = aliases
        self._tuned = tuned
        self.started = started

    async def names(self, exchange: Exchange) -> list[str]:
        """The ids of all models that the key may use, then the aliases that are listed."""
        aliases = [name for name in self._aliases if self._catalog.permits(exchange.identity, name)]
        return list(dict.fromkeys([*await self.ids(exchange), *aliases]))

    async def ids(self, exchange: Exchange) -> list[str]:
        """The ids of all models that the key may use: our own, including the fine-tuned ones of the
        owner, then those of the upstreams that answer in time.
        """
        own = [model.id for model in self._catalog.models()]
        own += [model.name for model in await self._tuned.all(exchange.owner)]
        upstreams = [spec for spec in self._catalog.specs() if spec.prefix is not None]
        found = await asyncio.gather(*(self._ids_of(spec, exchange.caller) for spec in upstreams))
        known = dict.fromkeys([*own, *(id for ids in found for id in ids)])
        return [id for id in known if self._catalog.permits(exchange.identity, id)]

    async def _ids_of(self, spec: ModelSpec, caller: str) -> list[str]:
        try:
            async with (
                asyncio.timeout(_UPSTREAM_TIMEOUT),
                self._pool.lease(spec, Directory, caller) as engine,
            ):
                return [f"{spec.prefix}{name}" for name in await engine.models()]
        except (APIError, TimeoutError) as error:
            log.warning("the models of %s are not known: %s", spec.id, str(error) or "no answer")
            return []
