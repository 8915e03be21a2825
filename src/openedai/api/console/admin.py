"""Who may manage the server."""

from __future__ import annotations

from openedai.http.exchange import Exchange
from openedai.security.permissions import ORGANIZATION, require


def require_admin(exchange: Exchange) -> None:
    """Raises Forbidden for a key that may not manage the server."""
    require(exchange.identity, ORGANIZATION)
