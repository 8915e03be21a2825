"""The URLs of `/v1/organization` that manage keys, and the error for those that this server
lacks.
"""

from __future__ import annotations

from openedai.api.calls import Calls
from openedai.api.route import Group, Route
from openedai.errors import NotFound
from openedai.serving.services import Services

_BASE = "/v1/organization"
_PROJECT = f"{_BASE}/projects/{{project_id}}"


def organization_routes(s: Services, calls: Calls) -> tuple[Route, ...]:
    """The URLs for admin keys."""
    admin_keys = Group("openai.organization.admin_keys:AdminKeys", calls, s.administration)
    projects = Group("openai.organization.projects:ProjectRoutes", calls, s.administration)
    path, one = f"{_BASE}/admin_api_keys", f"{_BASE}/admin_api_keys/{{key_id}}"
    return (
        Route("POST", path, admin_keys["create"], "Make an admin key"),
        Route("GET", path, admin_keys["list_keys"], "List the admin keys"),
        Route("GET", one, admin_keys["retrieve"], "Show an admin key"),
        Route("DELETE", one, admin_keys["delete"], "Revoke an admin key"),
        Route("POST", f"{_BASE}/projects", projects["create"], "Make a project"),
        Route("GET", f"{_BASE}/projects", projects["list_projects"], "List the projects"),
        Route("GET", _PROJECT, projects["retrieve"], "Show a project"),
        Route("POST", _PROJECT, projects["update"], "Rename a project"),
        Route("POST", f"{_PROJECT}/archive", projects["archive"], "End a project and its keys"),
        *_project_routes(s, calls),
    )


def _project_routes(s: Services, calls: Calls) -> tuple[Route, ...]:
    keys = Group("openai.organization.projects:ProjectKeys", calls, s.administration)
    accounts = Group(
        "openai.organization.service_accounts:ServiceAccountRoutes", calls, s.administration
    )
    key = f"{_PROJECT}/api_keys/{{key_id}}"
    listed = f"{_PROJECT}/service_accounts"
    account = f"{listed}/{{account_id}}"
    return (
        Route("GET", f"{_PROJECT}/api_keys", keys["list_keys"], "List the keys of a project"),
        Route("GET", key, keys["retrieve"], "Show a key of a project"),
        Route("POST", key, keys["update"], "Change its scopes or its end"),
        Route("DELETE", key, keys["delete"], "Revoke a key of a project"),
        Route("POST", listed, accounts["create"], "Make a service account with a key"),
        Route("GET", listed, accounts["list_accounts"], "List the service accounts"),
        Route("GET", account, accounts["retrieve"], "Show a service account"),
        Route("POST", account, accounts["update"], "Change a service account"),
        Route("DELETE", account, accounts["delete"], "Remove it, and revoke its keys"),
        Route("POST", f"{account}/api_keys", accounts["create_key"], "Make a key for it"),
    )


def unknown_url(method: str, path: str) -> NotFound:
    """The error of a URL that nothing serves."""
    if path.startswith((f"{_BASE}/", "/v1/projects/")):
        name = path.removeprefix(f"{_BASE}/")
        return NotFound(
            f"This server has no '{name}' ({method}): of the admin resources it has "
            "admin_api_keys, projects with their api_keys, service_accounts and rate_limits, usage "
            "and costs."
        )
    return NotFound(f"Invalid URL ({method} {path})")
