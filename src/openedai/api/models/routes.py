"""`GET /v1/models` and `GET /v1/models/{id}`."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.model_names import model_names
from openedai.api.services import services
from openedai.http.respond import json_response


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
    return json_response(ModelList([ModelObject(name, here.started) for name in names]))


async def retrieve(request: Request) -> Response:
    """An alias is answered with the model that it means."""
    here = services(request)
    model = here.catalog.resolve(request.path_params["model"])
    return json_response(ModelObject(model.id, here.started))
