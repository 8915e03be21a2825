"""Keys, projects and service accounts as the official admin resources show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from openedai.api.parameters.pages import Page
from openedai.store.keys.projects import Project
from openedai.store.keys.records import ApiKey
from openedai.store.keys.service_accounts import ServiceAccount
from openedai.store.vector_stores.pages import Found

T = TypeVar("T")


def project_object(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "object": "organization.project",
        "name": project.name,
        "created_at": int(project.created_at),
        "archived_at": _seconds(project.archived_at),
        "status": "active" if project.archived_at is None else "archived",
    }


def admin_key_object(key: ApiKey) -> dict[str, Any]:
    """Its owner is the name that was given with it, or the key's own name."""
    return {
        **_key(key, "organization.admin_api_key"),
        "owner": {
            "type": "user",
            "object": "organization.user",
            "name": key.owner or key.name,
            "created_at": int(key.created_at),
            "role": "owner",
        },
    }


def project_key_object(key: ApiKey, account: ServiceAccount | None) -> dict[str, Any]:
    """Its owner is its service account or, in place of a user, the name that was given with it."""
    if account is None:
        created, role = int(key.created_at), "owner" if key.admin else "member"
        name = key.owner or key.name
        user = {"id": "", "email": "", "name": name, "created_at": created, "role": role}
        owner: dict[str, Any] = {"type": "user", "user": user}
    else:
        owner = {"type": "service_account", "service_account": _account(account)}
    return {
        **_key(key, "organization.project.api_key"),
        "owner": owner,
        "owner_project_access": "active",
    }


def account_object(account: ServiceAccount) -> dict[str, Any]:
    return {**_account(account), "object": "organization.project.service_account"}


def account_key_object(key: ApiKey, secret: str) -> dict[str, Any]:
    """A new key, with its text."""
    return {
        "id": key.id,
        "object": "organization.project.service_account.api_key",
        "name": key.name,
        "value": secret,
        "created_at": int(key.created_at),
        "expires_at": _seconds(key.expires_at),
    }


def shown_page(found: Found[T], render: Callable[[T], dict[str, Any]]) -> Page:
    items = [render(item) for item in found.items]
    first, last = (items[0]["id"], items[-1]["id"]) if items else (None, None)
    return Page(items, first, last, found.has_more)


def _key(key: ApiKey, type: str) -> dict[str, Any]:
    return {
        "id": key.id,
        "object": type,
        "name": key.name,
        "redacted_value": key.hint,
        "created_at": int(key.created_at),
        "last_used_at": _seconds(key.last_used_at),
        "expires_at": _seconds(key.expires_at),
    }


def _account(account: ServiceAccount) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "role": account.role,
        "created_at": int(account.created_at),
    }


def _seconds(time: float | None) -> int | None:
    return None if time is None else int(time)
