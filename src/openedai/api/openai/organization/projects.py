"""`/v1/organization/projects`, and the keys of a project."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.organization.render import (
    project_key_object,
    project_object,
    shown_page,
)
from openedai.api.openai.organization.types import (
    ProjectCreateRequest,
    ProjectKeyListQuery,
    ProjectKeyUpdateRequest,
    ProjectListQuery,
    ProjectUpdateRequest,
)
from openedai.api.route import takes
from openedai.http.respond import json_response
from openedai.security.administration import Administration
from openedai.store.keys.records import ApiKey, no_such_key
from openedai.store.vector_stores.pages import Found


class ProjectRoutes:
    def __init__(self, calls: Calls, administration: Administration) -> None:
        self._calls = calls
        self._administration = administration

    @takes(ProjectCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ProjectCreateRequest)
        made = await self._administration.create_project(body.name)
        return json_response(project_object(made), headers=headers)

    async def list_projects(self, request: Request) -> Response:
        query, headers = self._calls.query(request, ProjectListQuery)
        found = await self._administration.projects.page(
            query.cursor(), archived=query.include_archived
        )
        return json_response(shown_page(found, project_object), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        found = await self._administration.projects.find(request.path_params["project_id"])
        return json_response(project_object(found))

    @takes(ProjectUpdateRequest)
    async def update(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ProjectUpdateRequest)
        id: str = request.path_params["project_id"]
        if body.name is None:
            found = await self._administration.projects.find(id)
        else:
            found = await self._administration.rename(id, body.name)
        return json_response(project_object(found), headers=headers)

    async def archive(self, request: Request) -> Response:
        archived = await self._administration.archive(request.path_params["project_id"])
        return json_response(project_object(archived))


class ProjectKeys:
    """The keys of a project that are not revoked."""

    def __init__(self, calls: Calls, administration: Administration) -> None:
        self._calls = calls
        self._administration = administration

    async def list_keys(self, request: Request) -> Response:
        query, headers = self._calls.query(request, ProjectKeyListQuery)
        project = await self._administration.projects.find(request.path_params["project_id"])
        found: Found[ApiKey] = Found([], has_more=False)
        if query.owner_project_access != "inactive":
            keys = self._administration.keys
            found = await keys.page(query.cursor(), "project=$1", project.id)
        ids = {key.service_account for key in found.items if key.service_account is not None}
        accounts = await self._administration.accounts.all(project.id, ids)
        shown = shown_page(
            found, lambda key: project_key_object(key, accounts.get(key.service_account or ""))
        )
        return json_response(shown, headers=headers)

    async def retrieve(self, request: Request) -> Response:
        return json_response(await self._shown(await self._find(request)))

    @takes(ProjectKeyUpdateRequest)
    async def update(self, request: Request) -> Response:
        """Set when the key expires, or what it may do."""
        body, headers = await self._calls.body(request, ProjectKeyUpdateRequest)
        key = await self._find(request)
        changed = await self._administration.change_key(key.id, body.changed)
        return json_response(await self._shown(changed), headers=headers)

    async def delete(self, request: Request) -> Response:
        """The key is revoked."""
        project, id = request.path_params["project_id"], request.path_params["key_id"]
        await self._administration.revoke(id, "project=$2", project)
        return json_response(
            {"id": id, "object": "organization.project.api_key.deleted", "deleted": True}
        )

    async def _find(self, request: Request) -> ApiKey:
        key = await self._administration.keys.find(request.path_params["key_id"])
        if key.project != request.path_params["project_id"] or key.revoked_at is not None:
            raise no_such_key(key.id)
        return key

    async def _shown(self, key: ApiKey) -> dict[str, object]:
        account = None
        if key.service_account is not None:
            account = await self._administration.accounts.find(key.project, key.service_account)
        return project_key_object(key, account)
