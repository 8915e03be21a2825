"""A server below a path of a proxy, such as `https://example.org/llm`."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """Middleware that removes `root_path` from the paths of requests.

    Some proxies remove it themselves, so paths without it are served too.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        """`root_path` begins with a slash and does not end with one."""
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            path = scope["path"]
            if path.startswith(f"{self._root_path}/"):
                path = path[len(self._root_path) :]
            scope = {**scope, "path": path, "root_path": self._root_path}
        await self._app(scope, receive, send)
