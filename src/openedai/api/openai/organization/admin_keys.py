"""`/v1/organization/admin_api_keys`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.organization.render import admin_key_object, shown_page
from openedai.api.openai.organization.types import AdminKeyCreateRequest, AdminListQuery
from openedai.api.route import takes
from openedai.http.respond import json_response
from openedai.security.administration import Administration
from openedai.store.keys.records import no_such_key


class AdminKeys:
    """Admin keys, whoever made them. Others do not exist here."""

    def __init__(self, calls: Calls, administration: Administration) -> None:
        self._calls = calls
        self._administration = administration

    @takes(AdminKeyCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, AdminKeyCreateRequest)
        made = await self._administration.create_admin_key(body.name, body.expires_at)
        shown = {**admin_key_object(made.key), "value": made.secret}
        return json_response(shown, headers=headers)

    async def list_keys(self, request: Request) -> Response:
        query, headers = self._calls.query(request, AdminListQuery)
        found = await self._administration.keys.page(query.cursor(), "admin=1")
        return json_response(shown_page(found, admin_key_object), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        key = await self._administration.keys.find(request.path_params["key_id"])
        if not key.admin or key.revoked_at is not None:
            raise no_such_key(key.id)
        return json_response(admin_key_object(key))

    async def delete(self, request: Request) -> Response:
        """The key is revoked, even if this request was sent with it."""
        id: str = request.path_params["key_id"]
        await self._administration.revoke(id, "admin=1")
        return json_response(
            {"id": id, "object": "organization.admin_api_key.deleted", "deleted": True}
        )
