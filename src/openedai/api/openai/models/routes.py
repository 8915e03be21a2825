"""`GET /v1/models` and `GET /v1/models/{model}`."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.catalog.catalog import Catalog
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.listing import Listing


class ModelObject(msgspec.Struct):
    """`created` is when this server started: the dates of files mean nothing."""

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
        names = await self._listing.names(exchange_of(request.scope).caller)
        created = self._listing.started
        return json_response(ModelList([ModelObject(name, created) for name in names]))

    async def retrieve(self, request: Request) -> Response:
        """An alias is answered under its own name."""
        name: str = request.path_params["model"]
        self._catalog.resolve(name)
        return json_response(ModelObject(name, self._listing.started))
