"""What a key may do: the groups of URLs that it is for, and whether it is an admin key."""

from __future__ import annotations

from openedai.errors import Forbidden
from openedai.identity import API, Identity

# A group that needs no permission, and the two that are not part of the API.
ANYONE = "anyone"
SERVER = "server"
ORGANIZATION = "organization"


def may_use(identity: Identity, group: str) -> bool:
    """Whether requests to this group of URLs are allowed.

    `api` among the endpoints of a key means all groups but `server`. Only admins may use
    `organization`.
    """
    if identity.admin or group == ANYONE:
        return True
    if group == ORGANIZATION:
        return False
    named = identity.endpoints
    return named is None or group in named or (API in named and group != SERVER)


def require(identity: Identity, group: str) -> None:
    """Raise Forbidden unless requests to this group of URLs are allowed."""
    if may_use(identity, group):
        return
    needed = "an admin key" if group == ORGANIZATION else "a key that has it"
    raise Forbidden(
        "You have insufficient permissions for this operation. Missing scopes: "
        f"{group}. Please use {needed}.",
        code="insufficient_permissions",
    )
