"""`GET /v1/models` and `GET /v1/models/{id}`, as the client's dialect has them."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.anthropic.models import model_info, model_page
from openedai.http.dialects import ANTHROPIC, dialect_of
from openedai.http.respond import json_response
from openedai.serving.listing import model_names
from openedai.serving.services import services


class ModelObject(msgspec.Struct):
    """`created` is when this server started: the files' own dates say nothing."""

    id: str
    created: int
    object: str = "model"
    owned_by: str = "openedai"


class ModelList(msgspec.Struct):
    data: list[ModelObject]
    object: str = "list"


async def list_models(request: Request) -> Response:
    here = services(request)
    names = await model_names(here, request.scope["caller"])
    if _speaks_anthropic(request):
        return json_response(model_page(names, request.query_params, here.started))
    return json_response(ModelList([ModelObject(name, here.started) for name in names]))


async def retrieve(request: Request) -> Response:
    """An alias is answered with the model that it means."""
    here = services(request)
    model = here.catalog.resolve(request.path_params["model"])
    if _speaks_anthropic(request):
        return json_response(model_info(model.id, here.started))
    return json_response(ModelObject(model.id, here.started))


def _speaks_anthropic(request: Request) -> bool:
    return dialect_of(request.url.path, request.headers.raw) is ANTHROPIC
