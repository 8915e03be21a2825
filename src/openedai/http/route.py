"""A URL with one method and one endpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from openedai.http.exchange import Exchange, exchange_of


class OneRoute(Route):
    """It answers HEAD wherever it answers GET. Unlike with Starlette's own routes, the scope has it
    as `route`.

    `check` raises an error for a request that the endpoint must not serve.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        method: str,
        check: Callable[[Exchange], None],
    ) -> None:
        async def serve(request: Request) -> Response:
            check(exchange_of(request.scope))
            return await endpoint(request)

        super().__init__(path, serve, methods=[method])

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        if match is not Match.NONE:
            child_scope["route"] = self
        return match, child_scope
