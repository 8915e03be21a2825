"""`/v1/models` and `/v1/models/{model}`."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from openedai.catalog.catalog import Catalog
from openedai.engines.registry import generator_traits
from openedai.errors import InvalidRequest, ModelNotFound
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.models.listing import Listing


class ModelObject(msgspec.Struct, omit_defaults=True):
    """`created` is when this server started, or when a fine-tuned model was made.

    The most tokens of a prompt and its answer, if they are known, have the names that vLLM and
    OpenRouter give them: clients read them here, and otherwise assume a small number.
    """

    id: str
    created: int
    object: str
    owned_by: str
    max_model_len: int | UnsetType = UNSET
    context_length: int | UnsetType = UNSET


class ModelList(msgspec.Struct):
    data: list[ModelObject]
    object: str = "list"


class Models:
    """Anthropic's API has the same URLs; `openedai.api` serves both."""

    def __init__(self, catalog: Catalog, listing: Listing, tuned: TunedModels) -> None:
        self._catalog = catalog
        self._listing = listing
        self._tuned = tuned

    async def list_models(self, request: Request) -> Response:
        exchange = exchange_of(request.scope)
        names = await self._listing.names(exchange)
        tuned = await self._tuned.all(exchange.owner)
        made = {model.name: int(model.created_at) for model in tuned}
        started = self._listing.started
        models = [self._object(name, made.get(name, started)) for name in names]
        return json_response(ModelList(models))

    async def retrieve(self, request: Request) -> Response:
        """An alias is answered under its own name."""
        name: str = request.path_params["model"]
        exchange = exchange_of(request.scope)
        tuned = await self._tuned.find(exchange.owner, name)
        if tuned is None:
            self._catalog.resolve_for(exchange.identity, name)
        elif not self._catalog.permits(exchange.identity, name):
            raise ModelNotFound(name)
        created = self._listing.started if tuned is None else int(tuned.created_at)
        return json_response(self._object(name, created))

    def _object(self, name: str, created: int) -> ModelObject:
        context = self._context(name)
        return ModelObject(name, created, "model", "openedai", context, context)

    def _context(self, name: str) -> int | UnsetType:
        """The context of a model that generates text, if the settings or its engine say it."""
        try:
            spec = self._catalog.resolve(name).spec
        except ModelNotFound:  # a fine-tuned model that was not used yet
            return UNSET
        traits = generator_traits(spec.engine, spec.options)
        return UNSET if traits is None or traits.context is None else traits.context

    async def delete(self, request: Request) -> Response:
        """Only models that fine-tuning made can be deleted."""
        name: str = request.path_params["model"]
        exchange = exchange_of(request.scope)
        if not self._catalog.permits(exchange.identity, name):
            raise ModelNotFound(name)
        if not await self._tuned.delete(exchange.owner, name):
            self._catalog.resolve(name)
            raise InvalidRequest(
                f"The model `{name}` cannot be deleted: it is one of the server's own.",
                code="invalid_value",
                param="model",
            )
        return json_response({"id": name, "object": "model", "deleted": True})
