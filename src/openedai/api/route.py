"""One URL of the API, and its other URLs for older clients and for Azure's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

Endpoint = Callable[[Request], Awaitable[Response]]


# A model's id may have slashes, so several paths can match: the first one is used.
ENGINE = "/v1/engines/{model:path}"
_AZURE_MODEL = "/openai/deployments/{model:path}"
_AZURE = "/openai"
_BASE = "/v1"


@dataclass(frozen=True)
class Route:
    """`body` is the type of the request's body, for the documentation.

    `in_engines`: clients of 2020 to 2023 put the model into the URL. `on_azure`: Azure's API has
    it.
    """

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    body: type[BaseModel] | None = None
    in_engines: bool = False
    on_azure: bool = False


def engine_routes(routes: Iterable[Route]) -> Iterator[Route]:
    """`/v1/x` as `/v1/engines/{model}/x`."""
    for route in routes:
        if route.in_engines:
            yield replace(route, path=ENGINE + route.path.removeprefix(_BASE))


def azure_routes(routes: Iterable[Route]) -> Iterator[Route]:
    """`/v1/x` as Azure has it: `/openai/deployments/{model}/x`, or `/openai/x` where the body
    names no model; and in its newer form, `/openai/v1/x`.
    """
    for route in routes:
        if route.on_azure:
            older = _AZURE if route.body is None else _AZURE_MODEL
            yield replace(route, path=older + route.path.removeprefix(_BASE))
            yield replace(route, path=_AZURE + route.path)
