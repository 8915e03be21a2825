"""`/v1/files`: stored files, with their bytes."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.files.types import FileCreateRequest, FileListQuery
from openedai.api.parameters.files import FileObject, lifetime
from openedai.api.parameters.pages import page
from openedai.api.route import takes
from openedai.errors import missing_parameter
from openedai.http.exchange import exchange_of
from openedai.http.form import MAX_FIELD_BYTES, FileReceiver
from openedai.http.ranges import ranged_response
from openedai.http.respond import json_response
from openedai.store.contents import MEMORY_BYTES
from openedai.store.files import FileRecord, Files, new_file


class FileRoutes:
    def __init__(self, calls: Calls, files: Files) -> None:
        self._calls = calls
        self._files = files

    @takes(FileCreateRequest)
    async def create(self, request: Request) -> Response:
        owner = exchange_of(request.scope).owner
        limit = self._files.quotas.limits.file + 2 * MAX_FIELD_BYTES
        async with self._files.writing(owner) as writing:
            receiver = FileReceiver("file", writing.add, limit, MEMORY_BYTES)
            body, headers = await self._calls.body(request, FileCreateRequest, receiver)
            if body.file is None:
                raise missing_parameter("file")
            seconds = lifetime(body.purpose, body.expires_after)
            record = new_file(body.purpose, body.file.name, body.file.size, owner, seconds=seconds)
            await self._files.create(record, writing)
        return json_response(FileObject.of(record), headers=headers)

    async def list_files(self, request: Request) -> Response:
        query, headers = self._calls.query(request, FileListQuery)
        records = await self._files.page(
            exchange_of(request.scope).owner,
            query.limit + 1,
            purpose=query.purpose,
            after=query.after,
            order=query.order,
        )
        objects = [FileObject.of(record) for record in records]
        return json_response(page(objects, query.limit), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        return json_response(FileObject.of(await self._find(request)))

    async def delete(self, request: Request) -> Response:
        id = request.path_params["id"]
        await self._files.delete(exchange_of(request.scope).owner, id)
        return json_response({"id": id, "object": "file", "deleted": True})

    async def read(self, request: Request) -> Response:
        record = await self._find(request)
        name = quote(record.filename, safe="")
        headers = {
            "content-type": "application/octet-stream",
            "content-disposition": f"attachment; filename*=UTF-8''{name}",
            "x-content-type-options": "nosniff",
        }
        return await ranged_response(
            request,
            record.bytes,
            f'"{record.id}"',
            lambda start, end: self._files.read(record, start, end),
            headers,
        )

    async def _find(self, request: Request) -> FileRecord:
        return await self._files.find(exchange_of(request.scope).owner, request.path_params["id"])
