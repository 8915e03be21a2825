"""Requests whose path has no `/v1`, such as `/chat/completions`."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX = "/v1"


class VersionPrefix:
    """Middleware that puts `/v1` before the paths of requests that lack it.

    The base URLs of llama.cpp's server, LocalAI and LiteLLM may lack it, and so may this one's.
    """

    def __init__(self, app: ASGIApp, paths: Iterable[str]) -> None:
        """`paths` are the server's own. What they begin with after `/v1` may come first, unless
        another path begins with it.
        """
        self._app = app
        segments = [path.split("/") for path in paths]
        versioned = {names[2] for names in segments if names[1] == "v1"}
        self._names = versioned - {names[1] for names in segments}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            first = scope["path"].removeprefix("/").partition("/")[0]
            if first in self._names:
                scope = {**scope, "path": _PREFIX + scope["path"]}
        await self._app(scope, receive, send)
