"""`/v1/containers`: places with files, in which code written by models runs."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.containers.objects import ContainerFileObject, ContainerObject
from openedai.api.openai.containers.types import (
    ContainerCreateRequest,
    ContainerFileRequest,
    ContainerFilesQuery,
    ContainersQuery,
)
from openedai.api.parameters.pages import page_of
from openedai.api.route import takes
from openedai.errors import Unsupported
from openedai.http.exchange import exchange_of
from openedai.http.form import MAX_FIELD_BYTES, FileReceiver
from openedai.http.ranges import ranged_response
from openedai.http.respond import json_response
from openedai.serving.containers.service import ContainerService
from openedai.store.containers import Container, ContainerFields, ContainerFile
from openedai.store.contents import MEMORY_BYTES, Writing


class ContainerRoutes:
    def __init__(self, calls: Calls, service: ContainerService) -> None:
        self._calls = calls
        self._service = service

    @takes(ContainerCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ContainerCreateRequest)
        exchange = exchange_of(request.scope)
        if (reason := await self._service.unavailable()) is not None:
            raise Unsupported(f"This server has no containers: {reason}.", code="unsupported_value")
        self._service.check_memory(body.memory_limit, "memory_limit")
        files = await self._service.kept_files(exchange.owner, body.file_ids or (), "file_ids")
        fields = ContainerFields(memory=body.memory_limit or "1g")
        if body.expires_after is not None:
            fields = ContainerFields(memory=fields.memory, minutes=body.expires_after.minutes)
        made = await self._service.create(exchange, body.name, fields, files)
        return json_response(ContainerObject.of(made), headers=headers)

    async def list_containers(self, request: Request) -> Response:
        query, headers = self._calls.query(request, ContainersQuery)
        owner = exchange_of(request.scope).owner
        found = await self._service.containers.page(owner, query.cursor(), query.name)
        return json_response(page_of(found, ContainerObject.of), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        found = await self._service.find(*_named(request))
        return json_response(ContainerObject.of(found))

    async def delete(self, request: Request) -> Response:
        owner, id = _named(request)
        await self._service.delete(owner, id)
        return json_response({"id": id, "object": "container.deleted", "deleted": True})

    @takes(ContainerFileRequest)
    async def add_file(self, request: Request) -> Response:
        container = await self._container(request)
        room = await self._service.room(container)
        async with self._service.writing() as writing:

            async def receive(data: bytes) -> None:
                if writing.size + len(data) > room:
                    raise self._service.too_large()
                await writing.add(data)

            receiver = FileReceiver("file", receive, room + 2 * MAX_FIELD_BYTES, MEMORY_BYTES)
            body, headers = await self._calls.body(request, ContainerFileRequest, receiver)
            made = await self._added(container, body, writing)
        return json_response(ContainerFileObject.of(made), headers=headers)

    async def list_files(self, request: Request) -> Response:
        query, headers = self._calls.query(request, ContainerFilesQuery)
        container = await self._service.find(*_named(request))
        found = await self._service.containers.files_page(container.id, query.cursor())
        return json_response(page_of(found, ContainerFileObject.of), headers=headers)

    async def retrieve_file(self, request: Request) -> Response:
        return json_response(ContainerFileObject.of(await self._file(request)))

    async def delete_file(self, request: Request) -> Response:
        container, id = await self._container(request), request.path_params["file_id"]
        await self._service.remove(container, id)
        return json_response({"id": id, "object": "container.file.deleted", "deleted": True})

    async def read_file(self, request: Request) -> Response:
        file = await self._file(request)
        name = quote(PurePosixPath(file.path).name, safe="")
        headers = {
            "content-type": "application/octet-stream",
            "content-disposition": f"attachment; filename*=UTF-8''{name}",
            "x-content-type-options": "nosniff",
        }
        return await ranged_response(
            request,
            file.bytes,
            f'"{file.content}"',
            lambda start, end: self._service.containers.read(file, start, end),
            headers,
        )

    async def _added(
        self, container: Container, body: ContainerFileRequest, writing: Writing
    ) -> ContainerFile:
        if body.file is not None:
            return await self._service.add(container, body.file.name, writing)
        record = await self._service.kept_file(container.owner, body.file_id or "", "file_id")
        return await self._service.copy(container, record)

    async def _container(self, request: Request) -> Container:
        return await self._service.running(*_named(request))

    async def _file(self, request: Request) -> ContainerFile:
        container = await self._service.find(*_named(request))
        return await self._service.containers.file(container.id, request.path_params["file_id"])


def _named(request: Request) -> tuple[str, str]:
    """The owner and the id of the container in the URL."""
    return exchange_of(request.scope).owner, request.path_params["id"]
