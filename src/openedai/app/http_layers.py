"""What surrounds the routes: the HTTP layers, and the answers to errors."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from openedai.api.dialects import dialect_of
from openedai.api.openai.dialect import response_headers
from openedai.api.organization_routes import unknown_url
from openedai.api.route import Route
from openedai.config import ConfigError
from openedai.errors import APIError, MethodNotAllowed
from openedai.http.exchange import exchange_of
from openedai.http.respond import error_response
from openedai.http.server.envelope import Envelope
from openedai.http.server.in_process import InProcess
from openedai.http.server.root_path import RootPath
from openedai.http.server.version_prefix import VersionPrefix
from openedai.security.cross_origin import CrossOrigin
from openedai.security.guard import Guard
from openedai.security.identities import Identities
from openedai.serving.services import Services


def in_process(app: Starlette, services: Services) -> InProcess:
    """Serves requests without a connection through the app's routes."""
    routes = ExceptionMiddleware(app.router, ERROR_HANDLERS)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        await routes(scope, receive, send)

    settings = services.settings

    def envelope(inner: ASGIApp) -> Envelope:
        return _envelope(inner, services)

    return InProcess(serve, envelope, (settings.host, settings.port), "batch")


def _envelope(app: ASGIApp, services: Services) -> Envelope:
    return Envelope(
        app,
        dialect_of=dialect_of,
        headers_of=response_headers,
        on_end=services.ends.request,
        on_begin=services.activity.begin,
    )


def middleware(
    services: Services, identities: Identities, served: Sequence[Route]
) -> list[Middleware]:
    """The layers that every request passes before the `served` routes, the outermost first."""
    settings, layers = services.settings, []
    if settings.root_path:
        layers.append(Middleware(RootPath, root_path=settings.root_path))
    layers.append(Middleware(VersionPrefix, paths=[route.path for route in served]))
    if settings.trusted_proxies:
        trusted = list(settings.trusted_proxies)
        layers.append(Middleware(ProxyHeadersMiddleware, trusted_hosts=trusted))
    layers.append(Middleware(_envelope, services=services))
    if settings.cors_origins:
        layers.append(Middleware(CrossOrigin, settings=settings))
    guard = Middleware(Guard, settings=settings, identities=identities, public=services.public)
    layers.append(guard)
    return layers


def check_root_path(root_path: str, served: Sequence[Route]) -> None:
    """Raises ConfigError if one of the server's own URLs begins with `root_path`."""
    first = root_path.split("/")[1]
    if any(route.path.split("/")[1] == first for route in served):
        raise ConfigError(f"root_path: the server has URLs that begin with /{first} themselves")


async def _api_error(request: Request, error: Exception) -> Response:
    return error_response(error, exchange_of(request.scope))


async def _unknown_url(request: Request, error: Exception) -> Response:
    refusal = unknown_url(request.method, request.scope["path"])
    return error_response(refusal, exchange_of(request.scope))


async def _wrong_method(request: Request, error: Exception) -> Response:
    refusal = MethodNotAllowed(
        f"Not allowed to {request.method} on {request.scope['path']}. "
        "(HINT: Perhaps you meant to use a different HTTP method?)",
        code="method_not_supported",
    )
    response = error_response(refusal, exchange_of(request.scope))
    response.headers["allow"] = ", ".join(sorted(_methods(request)))
    return response


def _methods(request: Request) -> set[str]:
    """The methods that the request's URL supports."""
    return {
        method
        for route in request.app.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods
    }


# The answers to errors that nothing inside the routes handles.
ERROR_HANDLERS: dict[
    int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]
] = {
    APIError: _api_error,
    404: _unknown_url,
    405: _wrong_method,
}
