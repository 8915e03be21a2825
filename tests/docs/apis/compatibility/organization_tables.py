"""The tables of the admin resources in docs/compatibility.md, with the types of their bodies."""

from __future__ import annotations

from typing import Any

from openai.types.admin.organization import (
    admin_api_key_create_params,
    admin_api_key_list_params,
    project_create_params,
    project_list_params,
    project_update_params,
)
from openai.types.admin.organization.projects import (
    api_key_list_params,
    api_key_update_params,
    service_account_create_params,
    service_account_list_params,
    service_account_update_params,
)
from openai.types.admin.organization.projects.service_accounts import api_key_create_params

from openedai.api.openai.organization.types import (
    AdminKeyCreateRequest,
    AdminListQuery,
    ProjectCreateRequest,
    ProjectKeyListQuery,
    ProjectKeyUpdateRequest,
    ProjectListQuery,
    ProjectUpdateRequest,
    ServiceAccountCreateRequest,
    ServiceAccountKeyRequest,
    ServiceAccountListQuery,
    ServiceAccountUpdateRequest,
)
from openedai.http.body import Body

_IN_THE_URL = {"project_id"}


def _names(params: Any) -> set[str]:
    return set(params.__annotations__) - _IN_THE_URL


_BODIES: list[tuple[Any, type[Body], dict[str, Any]]] = [
    (admin_api_key_create_params.AdminAPIKeyCreateParams, AdminKeyCreateRequest, {"name": "a"}),
    (admin_api_key_list_params.AdminAPIKeyListParams, AdminListQuery, {}),
    (project_create_params.ProjectCreateParams, ProjectCreateRequest, {"name": "a"}),
    (project_update_params.ProjectUpdateParams, ProjectUpdateRequest, {}),
    (project_list_params.ProjectListParams, ProjectListQuery, {}),
    (api_key_update_params.APIKeyUpdateParams, ProjectKeyUpdateRequest, {}),
    (api_key_list_params.APIKeyListParams, ProjectKeyListQuery, {}),
    (
        service_account_create_params.ServiceAccountCreateParams,
        ServiceAccountCreateRequest,
        {"name": "a"},
    ),
    (service_account_update_params.ServiceAccountUpdateParams, ServiceAccountUpdateRequest, {}),
    (service_account_list_params.ServiceAccountListParams, ServiceAccountListQuery, {}),
    (api_key_create_params.APIKeyCreateParams, ServiceAccountKeyRequest, {}),
]
ORGANIZATION_TABLES = {
    ("Organization", number): (_names(params), model, body)
    for number, (params, model, body) in enumerate(_BODIES)
}
ORGANIZATION_TYPES = tuple(model for _, model, _ in _BODIES)
_VALUES: dict[str, Any] = {
    "name": "other",
    "expires_in_seconds": 60,
    "scopes": ["chat"],
    "create_service_account_only": True,
    "role": "owner",
    "limit": 3,
    "after": "proj_1",
    "order": "desc",
    "include_archived": True,
    "owner_project_access": "inactive",
}
ORGANIZATION_VALUES = {
    (model, name): _VALUES[name]
    for model in ORGANIZATION_TYPES
    for name in model.model_fields
    if name in _VALUES
}
ORGANIZATION_REFUSED: dict[str, Any] = {
    "external_key_id": "key_1",
    "geography": "EU",
    "residency": "EU_STORAGE_PROCESSING",
}
