"""`GET /v1/models` and `GET /v1/models/{id}`."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.catalog.catalog import Catalog
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.listing import Listing


class ModelObject(msgspec.Struct):
    """`created` is when this server started: the files' own dates mean nothing."""

    id: str
    created: int
    object: str = "model"
    owned_by: str = "openedai"


class ModelList(msgspec.Struct):
    data: list[ModelObject]
    object: str = "list"


class Models:
    """Anthropic's API has the same URLs: `openedai.api` joins both."""

    def __init__(self, catalog: Catalog, listing: Listing) -> None:
        self._catalog = catalog
        self._listing = listing

    async def list_models(self, request: Request) -> Response:
        ids = await self._listing.ids(exchange_of(request.scope).caller)
        created = self._listing.started
        return json_response(ModelList([ModelObject(id, created) for id in ids]))

    async def retrieve(self, request: Request) -> Response:
        model = self._catalog.resolve(request.path_params["model"])
        return json_response(ModelObject(model.id, self._listing.started))
