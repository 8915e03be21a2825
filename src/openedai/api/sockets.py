"""The paths at which a connection may become a WebSocket."""

from __future__ import annotations

_PATHS = ("/v1/responses", "/openai/v1/responses", "/openai/responses")

SOCKETS = frozenset(path.encode() for path in _PATHS)
