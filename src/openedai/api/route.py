"""One URL of the API, the endpoint behind it, and its other URLs for older clients and Azure's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from openedai.api.endpoint_groups import endpoint_group
from openedai.errors import Forbidden
from openedai.http.exchange import Exchange, exchange_of
from openedai.http.respond import error_response
from openedai.http.route import OneRoute
from openedai.security.permissions import require

if TYPE_CHECKING:
    from pydantic import BaseModel

Handler = Callable[[Request], Awaitable[Response]]
F = TypeVar("F", bound=Callable[..., Any])

# A model's id may contain slashes, so several paths can match; the first one is used.
ENGINE = "/v1/engines/{model:path}"
_AZURE_MODEL = "/openai/deployments/{model:path}"
_AZURE = "/openai"
_BASE = "/v1"
_BODY = "request_body"


def takes(body: type[BaseModel]) -> Callable[[F], F]:
    """Marks a handler with the type of its request body, for the documentation."""

    def mark(handler: F) -> F:
        setattr(handler, _BODY, body)
        return handler

    return mark


def body_of(handler: Handler) -> type[BaseModel] | None:
    """The type that `takes` gave a handler."""
    body: type[BaseModel] | None = getattr(handler, _BODY, None)
    return body


class Group:
    """A class of the API whose methods serve URLs.

    `class_path` is `module:Class`, below `openedai.api`; `parts` are its constructor's arguments.
    It is imported when one of its URLs is first requested: the types of the bodies alone take
    longer than the rest of the server's start.
    """

    def __init__(self, class_path: str, *parts: Any) -> None:
        self._class_path = class_path
        self._parts = parts
        self._lock = threading.Lock()
        self._made: Any = None

    def __getitem__(self, method: str) -> Endpoint:
        return GroupEndpoint(self, method)

    @property
    def is_made(self) -> bool:
        return self._made is not None

    def make(self) -> Any:
        """The instance of the class. Blocking."""
        with self._lock:
            if self._made is None:
                module, _, name = self._class_path.partition(":")
                self._made = getattr(import_module(f"openedai.api.{module}"), name)(*self._parts)
            return self._made


class Endpoint(Protocol):
    """Serves requests with a handler that may have to be imported."""

    async def __call__(self, request: Request) -> Response: ...

    def handler(self) -> Handler:
        """The handler, imported. Blocking."""


@dataclass(frozen=True)
class GroupEndpoint:
    """A method of a group."""

    group: Group
    method: str

    async def __call__(self, request: Request) -> Response:
        if not self.group.is_made:
            await asyncio.to_thread(self.group.make)
        return await self.handler()(request)

    def handler(self) -> Handler:
        handler: Handler = getattr(self.group.make(), self.method)
        return handler


@dataclass(frozen=True)
class SocketRoute:
    """A URL at which a method of a group serves WebSockets: an ASGI app."""

    path: str
    group: Group
    method: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        try:
            require(exchange.identity, endpoint_group(self.path))
        except Forbidden as error:
            await error_response(error, exchange)(scope, receive, send)
            return
        if not self.group.is_made:
            await asyncio.to_thread(self.group.make)
        await getattr(self.group.make(), self.method)(WebSocket(scope, receive, send))


@dataclass(frozen=True)
class Route:
    """`in_engines`: clients of 2020 to 2023 put the model into the URL. `on_azure`: Azure's API has
    this route; `in_deployments`: with the model in the URL. `in_batches`: the lines of a batch may
    be requests to it.
    """

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    in_engines: bool = False
    on_azure: bool = False
    in_deployments: bool = False
    in_batches: bool = False

    def served(self) -> OneRoute:
        """The URL for the router, which serves keys that may use its group."""
        group = endpoint_group(self.path)

        def check(exchange: Exchange) -> None:
            require(exchange.identity, group)

        return OneRoute(self.path, self.endpoint, self.method, check)


def shared_with_azure(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes, all marked as part of Azure's API."""
    return tuple(replace(route, on_azure=True) for route in routes)


def engine_routes(routes: Iterable[Route]) -> Iterator[Route]:
    """`/v1/x` as `/v1/engines/{model}/x`."""
    for route in routes:
        if route.in_engines:
            yield replace(route, path=ENGINE + route.path.removeprefix(_BASE))


def azure_routes(routes: Iterable[Route]) -> Iterator[Route]:
    """`/v1/x` as Azure serves it: `/openai/deployments/{model}/x` or `/openai/x`, and in its newer
    form `/openai/v1/x`.
    """
    for route in routes:
        if route.on_azure:
            older = _AZURE_MODEL if route.in_deployments else _AZURE
            yield replace(route, path=older + route.path.removeprefix(_BASE))
            yield replace(route, path=_AZURE + route.path)
