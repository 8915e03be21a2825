"""`GET /v1/models` and `GET /v1/models/{model}` in the shape of Anthropic's API: in pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from openedai.catalog.catalog import Catalog
from openedai.errors import invalid_value
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.models.listing import Listing

_DEFAULT_PAGE, _LARGEST_PAGE = 20, 1000


class ModelInfo(msgspec.Struct, tag="model"):
    id: str
    display_name: str
    created_at: str
    lifecycle: str = "active"


class ModelPage(msgspec.Struct):
    data: list[ModelInfo]
    first_id: str | None
    last_id: str | None
    has_more: bool


class AnthropicModels:
    """OpenAI's API has the same URLs; `openedai.api` serves both."""

    def __init__(self, catalog: Catalog, listing: Listing, tuned: TunedModels) -> None:
        self._catalog = catalog
        self._listing = listing
        self._tuned = tuned

    async def list_models(self, request: Request) -> Response:
        names = await self._listing.names(exchange_of(request.scope))
        page = model_page(names, request.query_params, self._listing.started)
        return json_response(page)

    async def retrieve(self, request: Request) -> Response:
        name = request.path_params["model"]
        exchange = exchange_of(request.scope)
        await self._tuned.prepare(exchange.owner, name)
        model = self._catalog.resolve_for(exchange.identity, name)
        return json_response(model_info(model.id, self._listing.started))


def model_info(id: str, created: int) -> ModelInfo:
    """`created` is in seconds since 1970."""
    return ModelInfo(id, id, datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def model_page(names: Sequence[str], query: QueryParams, created: int) -> ModelPage:
    """The page of `names` that the query requests. Raises InvalidRequest."""
    if not _includes_active(query):
        names = ()
    limit = _limit(query)
    if (before := query.get("before_id")) is not None:
        rest = names[: _index(names, before, "before_id")]
        page = rest[-limit:]
    else:
        after = query.get("after_id")
        rest = names if after is None else names[_index(names, after, "after_id") + 1 :]
        page = rest[:limit]
    return ModelPage(
        data=[model_info(name, created) for name in page],
        first_id=page[0] if page else None,
        last_id=page[-1] if page else None,
        has_more=len(page) < len(rest),
    )


def _includes_active(query: QueryParams) -> bool:
    lifecycles = query.getlist("lifecycle") + query.getlist("lifecycle[]")
    return not lifecycles or "active" in lifecycles


def _limit(query: QueryParams) -> int:
    limit = query.get("limit", str(_DEFAULT_PAGE))
    short = limit.isascii() and limit.isdigit() and len(limit) <= len(str(_LARGEST_PAGE))
    if short and 1 <= int(limit) <= _LARGEST_PAGE:
        return int(limit)
    raise invalid_value("limit", f"expected an integer from 1 to {_LARGEST_PAGE}")


def _index(names: Sequence[str], name: str, param: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise invalid_value(param, f"there is no model '{name}' in the list") from None
