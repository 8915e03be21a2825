"""The URLs of the console's API: what it needs beside the rest. Its files are `console.pages`."""

from __future__ import annotations

from openedai.api.route import Group, Route
from openedai.serving.services import Services

_BASE = "/console/api"


def console_routes(s: Services) -> tuple[Route, ...]:
    """All of them but for the session are for keys that may manage the server."""
    state = Group("console.routes:ConsoleState", s.activity, s.loading, s.listing.started)
    return (
        Route("GET", f"{_BASE}/session", state["session"], "Who uses the console"),
        Route("GET", f"{_BASE}/now", state["now"], "What runs now, once a second"),
        Route("POST", f"{_BASE}/requests/{{id}}/cancel", state["cancel"], "End a request"),
    )
