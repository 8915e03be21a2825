"""`/v1/organization/projects/{project_id}/service_accounts`, and their keys."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.organization.render import (
    account_key_object,
    account_object,
    shown_page,
)
from openedai.api.openai.organization.types import (
    ServiceAccountCreateRequest,
    ServiceAccountKeyRequest,
    ServiceAccountListQuery,
    ServiceAccountUpdateRequest,
)
from openedai.api.route import takes
from openedai.http.respond import json_response
from openedai.security.administration import Administration
from openedai.store.keys.service_accounts import ServiceAccount


class ServiceAccountRoutes:
    def __init__(self, calls: Calls, administration: Administration) -> None:
        self._calls = calls
        self._administration = administration

    @takes(ServiceAccountCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ServiceAccountCreateRequest)
        account, made = await self._administration.create_account(
            request.path_params["project_id"],
            body.name,
            with_key=not body.create_service_account_only,
            expires_at=body.expires_at,
        )
        key = None if made is None else account_key_object(made.key, made.secret)
        return json_response({**account_object(account), "api_key": key}, headers=headers)

    async def list_accounts(self, request: Request) -> Response:
        query, headers = self._calls.query(request, ServiceAccountListQuery)
        project = await self._administration.projects.find(request.path_params["project_id"])
        found = await self._administration.accounts.page(project.id, query.cursor())
        return json_response(shown_page(found, account_object), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        return json_response(account_object(await self._find(request)))

    @takes(ServiceAccountUpdateRequest)
    async def update(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ServiceAccountUpdateRequest)
        found = await self._find(request)
        changed = await self._administration.change_account(
            found, name=body.name or found.name, role=body.role or found.role
        )
        return json_response(account_object(changed), headers=headers)

    async def delete(self, request: Request) -> Response:
        """Its keys are revoked."""
        project, id = request.path_params["project_id"], request.path_params["account_id"]
        await self._administration.remove_account(project, id)
        return json_response(
            {"id": id, "object": "organization.project.service_account.deleted", "deleted": True}
        )

    @takes(ServiceAccountKeyRequest)
    async def create_key(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ServiceAccountKeyRequest)
        account = await self._find(request)
        made = await self._administration.create_account_key(
            account, body.name or account.name, body.expires_at, body.endpoints
        )
        return json_response(account_key_object(made.key, made.secret), headers=headers)

    async def _find(self, request: Request) -> ServiceAccount:
        project, id = request.path_params["project_id"], request.path_params["account_id"]
        return await self._administration.accounts.find(project, id)
