"""`/v1/batches`: files of requests that are answered in the background."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.endpoint_groups import endpoint_group
from openedai.api.openai.batches.types import BatchCreateRequest, BatchListQuery, BatchObject
from openedai.api.parameters.pages import page
from openedai.api.route import takes
from openedai.errors import InvalidRequest
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.security.permissions import require
from openedai.serving.batches.service import Batches
from openedai.serving.batches.validation import VERSION


class BatchRoutes:
    """`endpoints` are the URLs that batches can be for. Azure leaves out `/v1`."""

    def __init__(self, calls: Calls, batches: Batches, endpoints: tuple[str, ...]) -> None:
        self._calls = calls
        self._batches = batches
        self._endpoints = endpoints

    @takes(BatchCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, BatchCreateRequest)
        endpoint = body.endpoint
        if endpoint not in self._endpoints:
            endpoint = VERSION + endpoint
        if endpoint not in self._endpoints:
            raise InvalidRequest(
                f"Invalid value: '{body.endpoint}'. Supported values are: "
                f"{', '.join(map(repr, self._endpoints))}.",
                code="invalid_value",
                param="endpoint",
            )
        identity = exchange_of(request.scope).identity
        require(identity, endpoint_group(endpoint))
        expiry = body.output_expires_after
        batch = await self._batches.create(
            identity=identity,
            input_file_id=body.input_file_id,
            endpoint=endpoint,
            completion_window=body.completion_window,
            metadata=body.metadata,
            output_seconds=None if expiry is None else expiry.seconds,
        )
        return json_response(BatchObject.of(batch), headers=headers)

    async def list_batches(self, request: Request) -> Response:
        query, headers = self._calls.query(request, BatchListQuery)
        owner = exchange_of(request.scope).owner
        batches = await self._batches.records.page(owner, query.limit + 1, query.after)
        objects = [BatchObject.of(batch) for batch in batches]
        return json_response(page(objects, query.limit), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        owner = exchange_of(request.scope).owner
        batch = await self._batches.records.find(owner, request.path_params["id"])
        return json_response(BatchObject.of(batch))

    async def cancel(self, request: Request) -> Response:
        owner = exchange_of(request.scope).owner
        batch = await self._batches.cancel(owner, request.path_params["id"])
        return json_response(BatchObject.of(batch))
