"""Who may manage the server."""

from __future__ import annotations

from openedai.errors import Forbidden
from openedai.http.exchange import Exchange


def require_admin(exchange: Exchange) -> None:
    """Raises Forbidden for a key that may not manage the server."""
    if not exchange.identity.admin:
        raise Forbidden("This needs a key that may manage the server.", code="admin_required")
