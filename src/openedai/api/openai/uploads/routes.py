"""`/v1/uploads`: files that come in parts."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.uploads.types import (
    PartCreateRequest,
    PartObject,
    UploadCompleteRequest,
    UploadCreateRequest,
    UploadObject,
)
from openedai.api.parameters.files import lifetime
from openedai.api.route import takes
from openedai.http.exchange import exchange_of
from openedai.http.form import MAX_FIELD_BYTES, FileReceiver
from openedai.http.respond import json_response
from openedai.http.upload import file_name
from openedai.store.contents import MEMORY_BYTES
from openedai.store.uploads import PART_BYTES, Uploads


class UploadRoutes:
    def __init__(self, calls: Calls, uploads: Uploads) -> None:
        self._calls = calls
        self._uploads = uploads

    @takes(UploadCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, UploadCreateRequest)
        record = await self._uploads.create(
            body.purpose,
            file_name(body.filename),
            body.bytes,
            exchange_of(request.scope).owner,
            lifetime(body.purpose, body.expires_after),
        )
        return json_response(UploadObject.of(record), headers=headers)

    @takes(PartCreateRequest)
    async def add_part(self, request: Request) -> Response:
        owner, id = exchange_of(request.scope).owner, request.path_params["id"]
        async with self._uploads.writing(owner, id) as writing:
            limit = PART_BYTES + 2 * MAX_FIELD_BYTES
            receiver = FileReceiver("data", writing.add, limit, MEMORY_BYTES)
            _, headers = await self._calls.body(request, PartCreateRequest, receiver)
            part = await self._uploads.add_part(id, writing)
        return json_response(PartObject.of(part), headers=headers)

    @takes(UploadCompleteRequest)
    async def complete(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, UploadCompleteRequest)
        record, made = await self._uploads.complete(
            exchange_of(request.scope).owner, request.path_params["id"], body.part_ids, body.md5
        )
        return json_response(UploadObject.of(record, made), headers=headers)

    async def cancel(self, request: Request) -> Response:
        owner = exchange_of(request.scope).owner
        record = await self._uploads.cancel(owner, request.path_params["id"])
        return json_response(UploadObject.of(record))
