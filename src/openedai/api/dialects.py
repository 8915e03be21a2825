"""The dialect of a request: which API it belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from openedai.api.anthropic.dialect import ANTHROPIC
from openedai.api.ollama.dialect import OLLAMA
from openedai.api.openai.dialect import OPENAI
from openedai.api.route import Endpoint, Handler
from openedai.http.dialect import Dialect
from openedai.http.exchange import exchange_of


class _Claim(NamedTuple):
    """URLs of a dialect. With `header`, only for requests that have it."""

    dialect: Dialect
    url: re.Pattern[str]
    header: bytes | None = None


_CLAIMS = (
    _Claim(ANTHROPIC, re.compile(r"/v1/messages(/|\Z)")),
    # Both APIs have these URLs; every client of Anthropic's API sends the header.
    _Claim(ANTHROPIC, re.compile(r"/v1/models(/|\Z)"), header=b"anthropic-version"),
    _Claim(OLLAMA, re.compile(r"/api/")),
)


def dialect_of(scope: Scope) -> Dialect:
    """The dialect of a request, by its URL and its headers: the official one unless claimed."""
    for claim in _CLAIMS:
        if claim.url.match(scope["path"]) and (
            claim.header is None or any(name == claim.header for name, _ in scope["headers"])
        ):
            return claim.dialect
    return OPENAI


@dataclass(frozen=True)
class ByDialect:
    """One endpoint for a URL that several APIs share."""

    official: Endpoint
    others: Mapping[Dialect, Endpoint]

    async def __call__(self, request: Request) -> Response:
        dialect = exchange_of(request.scope).dialect
        return await self.others.get(dialect, self.official)(request)

    def handler(self) -> Handler:
        """The official API's."""
        return self.official.handler()
