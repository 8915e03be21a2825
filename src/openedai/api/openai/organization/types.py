"""The bodies of `/v1/organization`, and the parameters in its URLs."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from openedai.api.parameters.keys import Expiring, Name, Scoped
from openedai.api.parameters.pages import Query
from openedai.errors import invalid_value
from openedai.http.body import AllowedOnly, Body
from openedai.store.keys.records import ApiKey
from openedai.store.vector_stores.pages import Cursor


class AdminKeyCreateRequest(Expiring):
    name: Name


class ProjectKeyUpdateRequest(Scoped):
    def changed(self, key: ApiKey) -> ApiKey:
        """The key with the changes in the body."""
        return replace(
            key,
            expires_at=key.expires_at if self.expires_at is None else self.expires_at,
            endpoints=key.endpoints if self.scopes is None else self.endpoints,
        )


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
    """Lists begin with the oldest."""

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
    """The owners of keys are names, and all of them have access."""

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
