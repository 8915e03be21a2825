"""Answers browsers that ask whether a web page of another origin may call the server."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from openedai.config import Settings

# The headers that pages of other origins may read, in addition to those that browsers always let
# them read.
EXPOSED_HEADERS = (
    "x-request-id",
    "request-id",
    "openai-version",
    "openai-processing-ms",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-openedai-warning",
    "allow",
)


class CrossOrigin(CORSMiddleware):
    """Only pages of origins that the settings name may call a server in a private network.

    Requests that are not allowed go on to the guard, which refuses them with an error of the API.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(
            app,
            allow_origins=list(settings.cors_origins),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
            allow_private_network=True,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self.is_allowed_origin(
            Headers(scope=scope).get("origin", "")
        ):
            await self.app(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if request_headers["origin"] not in self.allow_origins:
            del response.headers["access-control-allow-private-network"]
        return response
