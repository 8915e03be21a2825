"""The bodies of `/v1/organization`, and the parameters in its URLs."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from pydantic import Field

from openedai.api.endpoint_groups import GROUPS
from openedai.api.parameters.pages import Query
from openedai.errors import invalid_value
from openedai.http.body import AllowedOnly, Body
from openedai.identity import API
from openedai.store.vector_stores.pages import Cursor

_LONGEST_SECONDS = 100 * 365 * 86400
Name = Annotated[str, Field(min_length=1, max_length=200)]
Seconds = Annotated[int, Field(ge=1, le=_LONGEST_SECONDS)]
Scopes = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)]


class Expiring(Body):
    """What makes a key, or sets when it expires."""

    expires_in_seconds: Seconds | None = None

    @property
    def expires_at(self) -> float | None:
        """In seconds since 1970."""
        lasts = self.expires_in_seconds
        return None if lasts is None else time.time() + lasts


class Scoped(Expiring):
    """`scopes` are groups of URLs of this server; an empty list stands for all of the API."""

    scopes: Scopes | None = None

    def check(self) -> None:
        known = (API, *GROUPS)
        if unknown := [name for name in self.scopes or () if name not in known]:
            raise invalid_value(
                "scopes", f"there is no scope `{unknown[0]}`, but {', '.join(known)}"
            )

    @property
    def endpoints(self) -> tuple[str, ...] | None:
        """As an identity has them."""
        return tuple(dict.fromkeys(self.scopes or ())) or None


class AdminKeyCreateRequest(Expiring):
    name: Name


class ProjectKeyUpdateRequest(Scoped):
    pass


class ProjectCreateRequest(Body):
    name: Name
    external_key_id: Annotated[Any, AllowedOnly()] = None
    geography: Annotated[Any, AllowedOnly()] = None
    residency: Annotated[Any, AllowedOnly()] = None


class ProjectUpdateRequest(Body):
    name: Name | None = None
    external_key_id: Annotated[Any, AllowedOnly()] = None
    geography: Annotated[Any, AllowedOnly()] = None


class ServiceAccountCreateRequest(Expiring):
    name: Name
    create_service_account_only: bool | None = None

    def check(self) -> None:
        if self.create_service_account_only and self.expires_in_seconds is not None:
            raise invalid_value("expires_in_seconds", "there is no key that could expire")


class ServiceAccountUpdateRequest(Body):
    name: Name | None = None
    role: Literal["member", "owner"] | None = None


class ServiceAccountKeyRequest(Scoped):
    name: Name | None = None


class AdminListQuery(Query):
    """Lists are from the oldest on."""

    order: Literal["asc", "desc"] = "asc"

    def cursor(self) -> Cursor:
        return Cursor(self.limit, self.after, order=self.order)


class ProjectListQuery(Body):
    limit: int = Field(20, ge=1, le=100)
    after: str | None = Field(None, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")
    include_archived: bool = False

    def cursor(self) -> Cursor:
        return Cursor(self.limit, self.after, order="asc")


class ProjectKeyListQuery(Body):
    """Owners of keys are names, and all have access."""

    limit: int = Field(20, ge=1, le=100)
    after: str | None = Field(None, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")
    owner_project_access: Literal["active", "inactive", "any"] = "any"

    def cursor(self) -> Cursor:
        return Cursor(self.limit, self.after, order="asc")


class ServiceAccountListQuery(Body):
    limit: int = Field(20, ge=1, le=100)
    after: str | None = Field(None, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")

    def cursor(self) -> Cursor:
        return Cursor(self.limit, self.after, order="asc")
