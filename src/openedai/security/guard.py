"""Checks each request before its handler: the size of its headers, Host, Origin and key.

A server on loopback trusts the programs of its user, but not the web pages in their browser: a page
can send requests to it through its own host name (DNS rebinding) or as a form. So the Host has to
be known, and so does an Origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from openedai.config import LOOPBACK, Settings
from openedai.errors import APIError, Forbidden, HeadersTooLarge
from openedai.http.exchange import exchange_of
from openedai.http.public_address import PublicAddress, hostname
from openedai.http.respond import error_response
from openedai.identity import NOBODY, Identity
from openedai.security.callers import bearer_key, caller_name
from openedai.security.identities import Identities
from openedai.store.keys.secret import digest_of

PUBLIC_PATHS = frozenset({"/health", "/docs", "/openapi.json", "/console", "/console/"})
# The URLs of generated images contain their own secret, and are opened without a key.
PUBLIC_PREFIXES = ("/v1/images/files/", "/console/static/")


class Guard:
    """Middleware that records in the exchange who a request is from, or answers with the error."""

    def __init__(
        self, app: ASGIApp, settings: Settings, identities: Identities, public: PublicAddress
    ) -> None:
        self.app = app
        self.identities = identities
        self.max_header_bytes = settings.max_header_bytes
        self.cors_origins = frozenset(settings.cors_origins)
        self.public = public
        allowed = LOOPBACK | {"[::1]", *settings.allowed_hosts}
        self.allowed_hosts = frozenset(allowed) if settings.on_loopback else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        try:
            exchange.caller, exchange.identity = await self._check(scope)
        except APIError as error:
            await error_response(error, exchange)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _check(self, scope: Scope) -> tuple[str, Identity]:
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
        if scope["path"] in PUBLIC_PATHS or scope["path"].startswith(PUBLIC_PREFIXES):
            return "", NOBODY
        api_key = headers.get("api-key") or headers.get("x-api-key")
        key = bearer_key(headers.get("authorization"), api_key)
        address = scope["client"][0] if scope.get("client") else ""
        digest = None if key is None else digest_of(key)
        # A WebSocket may stay open for long: whoever serves it checks again for each request.
        scope["identify"] = identify = partial(self.identities.identify, key, digest)
        identity = await identify()
        return caller_name(address, digest, checked=bool(identity.key_id)), identity

    def _check_host(self, host: str) -> None:
        if self.allowed_hosts is None or hostname(host) in self.allowed_hosts:
            return
        if self.public.host and hostname(host) == self.public.host:
            return
        raise Forbidden(
            "This server answers to the host names of loopback only. Other names are allowed "
            "with OPENEDAI_ALLOWED_HOSTS.",
            code="host_not_allowed",
        )

    def _check_origin(self, origin: str | None, host: str) -> None:
        if origin is None or self.cors_origins & {"*", origin}:
            return
        with suppress(ValueError):  # an origin that is not a URL is a different one
            if urlsplit(origin).netloc.lower() == host.lower():
                return
        raise Forbidden(
            "Requests from this web page are not allowed. Its origin can be allowed with "
            "OPENEDAI_CORS_ORIGINS.",
            code="origin_not_allowed",
        )
