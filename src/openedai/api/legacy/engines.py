"""`GET /v1/engines` and `GET /v1/engines/{model}`: the models, as they were once called."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.catalog.catalog import Catalog
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.models.listing import Listing
from openedai.serving.models.loading import Loading


class EngineObject(msgspec.Struct):
    """`created` is when this server started."""

    id: str
    created: int
    ready: bool
    object: str = "engine"
    owner: str = "openedai"


class EngineList(msgspec.Struct):
    data: list[EngineObject]
    object: str = "list"


class Engines:
    def __init__(
        self, catalog: Catalog, listing: Listing, loading: Loading, tuned: TunedModels
    ) -> None:
        self._catalog = catalog
        self._listing = listing
        self._tuned = tuned
        self._loading = loading

    async def list_engines(self, request: Request) -> Response:
        ids = await self._listing.ids(exchange_of(request.scope))
        return json_response(EngineList([self._engine(id) for id in ids]))

    async def retrieve(self, request: Request) -> Response:
        name = request.path_params["model"]
        exchange = exchange_of(request.scope)
        await self._tuned.prepare(exchange.owner, name)
        model = self._catalog.resolve_for(exchange.identity, name)
        return json_response(self._engine(model.id))

    def _engine(self, id: str) -> EngineObject:
        """Ready while the server accepts requests: the first one for a model loads it."""
        ready = self._loading.status().accepting
        return EngineObject(id, self._listing.started, ready=ready)
