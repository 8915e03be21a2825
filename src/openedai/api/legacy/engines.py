"""`GET /v1/engines` and `GET /v1/engines/{id}`: the models, as they were once called."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.http.respond import json_response
from openedai.serving.listing import model_names
from openedai.serving.services import Services, services


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


async def list_engines(request: Request) -> Response:
    here = services(request)
    names = await model_names(here, request.scope["caller"])
    return json_response(EngineList([_engine(here, name) for name in names]))


async def retrieve(request: Request) -> Response:
    """An alias is answered with the model that it means."""
    here = services(request)
    model = here.catalog.resolve(request.path_params["model"])
    return json_response(_engine(here, model.id))


def _engine(here: Services, name: str) -> EngineObject:
    """It is ready while requests are taken: the first one for a model loads it."""
    return EngineObject(name, here.started, ready=here.pool.snapshot().accepting)
