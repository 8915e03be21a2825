"""Checks each request before its handler: the size of its headers, Host, Origin and key.

A server on loopback trusts the programs of its user, but not the web pages in their browser: a page
can send requests to it through a host name of its own (DNS rebinding) or as a form. So the Host
must be a known one, and so must an Origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from openedai.config import LOOPBACK, Settings
from openedai.errors import APIError, Forbidden, HeadersTooLarge
from openedai.http.exchange import exchange_of
from openedai.http.respond import error_response
from openedai.security.callers import Keyring, bearer_key

PUBLIC_PATHS = frozenset({"/health", "/docs", "/openapi.json"})
# URLs of made images contain a secret of their own, and are opened without a key.
PUBLIC_PREFIX = "/v1/images/files/"


class Guard:
    """Middleware that sets the caller's name in the exchange, or answers with the error."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.keyring = Keyring(settings.keys)
        self.max_header_bytes = settings.max_header_bytes
        self.cors_origins = frozenset(settings.cors_origins)
        public = _hostname(urlsplit(settings.public_url).netloc)
        allowed = LOOPBACK | {"[::1]", *settings.allowed_hosts, *filter(None, [public])}
        self.allowed_hosts = frozenset(allowed) if settings.on_loopback else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        try:
            exchange.caller = self._check(scope)
            exchange.owner = self.keyring.owner(exchange.caller)
        except APIError as error:
            await error_response(error, exchange)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> str:
        raw: Sequence[tuple[bytes, bytes]] = scope["headers"]
        if sum(len(name) + len(value) + 4 for name, value in raw) > self.max_header_bytes:
            raise HeadersTooLarge(
                f"The request's headers are larger than {self.max_header_bytes} bytes.",
                code="headers_too_large",
            )
        headers = Headers(raw=list(raw))
        host = headers.get("host", "")
        self._check_host(host)
        self._check_origin(headers.get("origin"), host)
        if scope["path"] in PUBLIC_PATHS or scope["path"].startswith(PUBLIC_PREFIX):
            return ""
        api_key = headers.get("api-key") or headers.get("x-api-key")
        key = bearer_key(headers.get("authorization"), api_key)
        address = scope["client"][0] if scope.get("client") else ""
        return self.keyring.caller(key, address)

    def _check_host(self, host: str) -> None:
        if self.allowed_hosts is None or _hostname(host) in self.allowed_hosts:
            return
        raise Forbidden(
            "This server answers to the host names of loopback only. Other names are allowed "
            "with OPENEDAI_ALLOWED_HOSTS.",
            code="host_not_allowed",
        )

    def _check_origin(self, origin: str | None, host: str) -> None:
        if origin is None or self.cors_origins & {"*", origin}:
            return
        with suppress(ValueError):  # an origin that is no URL is another one
            if urlsplit(origin).netloc.lower() == host.lower():
                return
        raise Forbidden(
            "Requests from this web page are not allowed. Its origin can be allowed with "
            "OPENEDAI_CORS_ORIGINS.",
            code="origin_not_allowed",
        )


def _hostname(host: str) -> str:
    """The host name of a Host header: without the port, in lower case."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()
