"""`/v1/vector_stores`: stores of files that are searched by meaning and by words."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.vector_stores.objects import (
    FileBatchObject,
    TextContent,
    TextPage,
    VectorStoreFileObject,
    VectorStoreObject,
    poll_headers,
)
from openedai.api.openai.vector_stores.search import ResultObject, ResultPage, StoreSearchRequest
from openedai.api.openai.vector_stores.types import (
    BatchAddRequest,
    FileAddRequest,
    FileUpdateRequest,
    StoreCreateRequest,
    StoreFilesQuery,
    StoreListQuery,
    StoreUpdateRequest,
    stored,
)
from openedai.api.parameters.pages import page_of
from openedai.api.route import takes
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.vector_stores.caches import SearchCaches
from openedai.serving.vector_stores.searching import StoreSearch
from openedai.serving.vector_stores.service import VectorStoreService
from openedai.store.vector_stores.stores import StoreFields, VectorStore


class VectorStoreRoutes:
    def __init__(
        self,
        calls: Calls,
        service: VectorStoreService,
        search: StoreSearch,
        caches: SearchCaches,
    ) -> None:
        self._calls = calls
        self._service = service
        self._search = search
        self._caches = caches

    @takes(StoreCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, StoreCreateRequest)
        fields = StoreFields(
            name=body.name or "",
            description=body.description,
            metadata=body.metadata or {},
            days=None if body.expires_after is None else body.expires_after.days,
            model="",
        )
        identity = exchange_of(request.scope).identity
        made = await self._service.create(identity, fields, body.files(), body.embedding_model)
        return json_response(await self._shown(made), headers=headers)

    async def list_stores(self, request: Request) -> Response:
        query, headers = self._calls.query(request, StoreListQuery)
        owner = exchange_of(request.scope).owner
        found = await self._service.stores.page(owner, query.cursor())
        counts = await self._service.stores.counts(store.id for store in found.items)
        shown = page_of(found, lambda store: VectorStoreObject.of(store, counts[store.id]))
        return json_response(shown, headers=headers)

    async def retrieve(self, request: Request) -> Response:
        return json_response(await self._shown(await self._service.stores.find(*_named(request))))

    @takes(StoreUpdateRequest)
    async def update(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, StoreUpdateRequest)
        changed = await self._service.update(*_named(request), **body.changes())
        return json_response(await self._shown(changed), headers=headers)

    async def delete(self, request: Request) -> Response:
        owner, id = _named(request)
        await self._service.delete(owner, id)
        return json_response({"id": id, "object": "vector_store.deleted", "deleted": True})

    @takes(StoreSearchRequest)
    async def search(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, StoreSearchRequest)
        exchange, id = exchange_of(request.scope), request.path_params["id"]
        texts, results = await self._search.run(exchange, [id], body.to_query())
        found = [ResultObject.of(result) for result in results]
        return json_response(ResultPage(search_query=texts, data=found), headers=headers)

    @takes(FileAddRequest)
    async def add_file(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, FileAddRequest)
        identity, id = exchange_of(request.scope).identity, request.path_params["id"]
        added = await self._service.add_file(identity, id, body.file())
        return json_response(VectorStoreFileObject.of(added), headers=headers)

    async def list_files(self, request: Request) -> Response:
        await self._service.stores.find(*_named(request))
        return await self._listed(request, None)

    async def retrieve_file(self, request: Request) -> Response:
        found = await self._service.file(*_named(request), request.path_params["file_id"])
        headers = poll_headers(found.status, found.fields.created_at)
        return json_response(VectorStoreFileObject.of(found), headers=headers)

    async def read_file(self, request: Request) -> Response:
        found = await self._service.file(*_named(request), request.path_params["file_id"])
        segment = None if found.segment is None else await self._caches.segment(found)
        parts = [] if segment is None else segment.parts()
        return json_response(TextPage(data=[TextContent(part) for part in parts]))

    @takes(FileUpdateRequest)
    async def update_file(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, FileUpdateRequest)
        changed = await self._service.set_attributes(
            *_named(request), request.path_params["file_id"], stored(body.attributes)
        )
        return json_response(VectorStoreFileObject.of(changed), headers=headers)

    async def remove_file(self, request: Request) -> Response:
        id = request.path_params["file_id"]
        await self._service.remove_file(*_named(request), id)
        return json_response({"id": id, "object": "vector_store.file.deleted", "deleted": True})

    @takes(BatchAddRequest)
    async def add_batch(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, BatchAddRequest)
        identity, id = exchange_of(request.scope).identity, request.path_params["id"]
        batch = await self._service.add_batch(identity, id, body.new_files())
        return json_response(await self._batch(identity.project, id, batch.id), headers=headers)

    async def retrieve_batch(self, request: Request) -> Response:
        batch = await self._batch(*_named(request), request.path_params["batch_id"])
        return json_response(batch, headers=poll_headers(batch.status, batch.created_at))

    async def cancel_batch(self, request: Request) -> Response:
        owner, id = _named(request)
        batch = request.path_params["batch_id"]
        await self._service.cancel_batch(owner, id, batch)
        return json_response(await self._batch(owner, id, batch))

    async def list_batch_files(self, request: Request) -> Response:
        batch = request.path_params["batch_id"]
        await self._service.batch(*_named(request), batch)
        return await self._listed(request, batch)

    async def _listed(self, request: Request, batch: str | None) -> Response:
        query, headers = self._calls.query(request, StoreFilesQuery)
        found = await self._service.files.page(
            request.path_params["id"], query.cursor(), status=query.filter, batch=batch
        )
        return json_response(page_of(found, VectorStoreFileObject.of), headers=headers)

    async def _shown(self, store: VectorStore) -> VectorStoreObject:
        return VectorStoreObject.of(store, await self._service.counts(store))

    async def _batch(self, owner: str, id: str, batch: str) -> FileBatchObject:
        return FileBatchObject.of(*await self._service.batch(owner, id, batch))


def _named(request: Request) -> tuple[str, str]:
    """The owner and the id of the store in the URL."""
    return exchange_of(request.scope).owner, request.path_params["id"]
