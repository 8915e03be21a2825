"""`GET /v1/models` and `GET /v1/models/{id}`."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.services import Services, services
from openedai.config import ModelSpec
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
    return json_response(ModelList([_object(here, spec) for spec in here.catalog.specs()]))


async def retrieve(request: Request) -> Response:
    """An alias is answered with the model that it means."""
    here = services(request)
    return json_response(_object(here, here.catalog.resolve(request.path_params["model"])))


def _object(here: Services, spec: ModelSpec) -> ModelObject:
    return ModelObject(spec.id, here.started)
