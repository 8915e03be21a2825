"""The URLs of the console's own API, in addition to the public one. Its files are in
`console.pages`.
"""

from __future__ import annotations

from openedai.api.calls import Calls
from openedai.api.route import Group, Route
from openedai.serving.services import Services

_BASE = "/console/api"


def console_routes(s: Services, calls: Calls) -> tuple[Route, ...]:
    """The URLs; all except the session are for keys that may manage the server."""
    state = Group(
        "console.state:ConsoleState",
        *(s.activity, s.loading, s.downloads, s.listing.started, s.settings.file_max_bytes),
    )
    models = Group(
        "console.models:ConsoleModels",
        *(s.catalog, s.library, s.loading, s.downloads),
    )
    logs = Group("console.logs:ConsoleLogs", s.recent_logs, s.loading)
    settings = Group("console.settings:ConsoleSettings", s.settings)
    keys = Group("console.keys:ConsoleKeys", calls, s.administration, s.catalog, s.settings)
    model = f"{_BASE}/models/{{model:path}}"
    return (
        Route("GET", f"{_BASE}/session", state["session"], "Who uses the console"),
        Route("GET", f"{_BASE}/now", state["now"], "What runs now, once a second"),
        Route("POST", f"{_BASE}/requests/{{id}}/cancel", state["cancel"], "End a request"),
        Route("GET", f"{_BASE}/models", models["list_models"], "The models, and what they take"),
        Route("POST", f"{model}/load", models["load"], "Load a model"),
        Route("POST", f"{model}/unload", models["unload"], "Unload a model"),
        Route("POST", f"{model}/download", models["download"], "Download a model"),
        Route("POST", f"{model}/pause", models["pause"], "Pause a download"),
        Route("DELETE", model, models["delete"], "Delete what was downloaded"),
        Route("GET", f"{_BASE}/keys", keys["list_keys"], "The keys, and what each may use"),
        Route("POST", f"{_BASE}/keys", keys["create"], "Make a key with limits"),
        Route("POST", f"{_BASE}/keys/{{id}}", keys["update"], "Change what a key may use"),
        Route("GET", f"{_BASE}/logs", logs["follow"], "The last lines of the log"),
        Route("GET", f"{_BASE}/settings", settings["list_settings"], "The settings in force"),
    )
