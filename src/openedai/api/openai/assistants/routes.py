"""`/v1/assistants`, and `/v1/threads` with their messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.assistants.objects import (
    assistant_object,
    deleted_object,
    message_object,
    thread_object,
)
from openedai.api.openai.assistants.starting import RunStarting
from openedai.api.openai.assistants.types import (
    AssistantCreateRequest,
    AssistantUpdateRequest,
    ListQuery,
    MessageListQuery,
    MessageRequest,
    MetadataRequest,
    ThreadCreateRequest,
    ThreadUpdateRequest,
)
from openedai.api.parameters.pages import Page
from openedai.api.route import takes
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.serving.assistants.keeping import AssistantKeeping
from openedai.store.assistants.assistants import AssistantFields
from openedai.store.vector_stores.pages import Found

T = TypeVar("T")


class AssistantRoutes:
    def __init__(self, calls: Calls, keeping: AssistantKeeping, *parts: Any) -> None:
        self._calls = calls
        self._keeping = keeping
        self._starting = RunStarting(keeping, *parts)

    @takes(AssistantCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, AssistantCreateRequest)
        identity = exchange_of(request.scope).identity
        owner = identity.project
        await self._starting.check_model(identity, body.model)
        await self._starting.check_stores(owner, body.stores())
        tools = await self._starting.tools(body.tools or (), headers)
        kept = body.kept()
        await self._starting.check_code_files(owner, kept["code_files"])
        async with self._starting.making(identity) as making:
            stores = await making.make(body.new_store) or body.stores()
            fields = AssistantFields(model=body.model, tools=tools, stores=stores, **kept)
            made = await self._keeping.assistants.create(owner, fields)
        return json_response(assistant_object(made), headers=headers)

    async def list_assistants(self, request: Request) -> Response:
        query, headers = self._calls.query(request, ListQuery)
        found = await self._keeping.assistants.page(owner_of(request), query.cursor())
        return json_response(shown_page(found, assistant_object), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        found = await self._keeping.assistants.find(*named(request))
        return json_response(assistant_object(found))

    @takes(AssistantUpdateRequest)
    async def update(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, AssistantUpdateRequest)
        owner, id = named(request)
        await self._keeping.assistants.find(owner, id)
        kept = body.kept()
        if body.model is not None:
            await self._starting.check_model(exchange_of(request.scope).identity, body.model)
        await self._starting.check_stores(owner, kept.get("stores"))
        await self._starting.check_code_files(owner, kept.get("code_files"))
        if body.tools is not None:
            kept["tools"] = await self._starting.tools(body.tools, headers)
        changed = await self._keeping.assistants.update(owner, id, **kept)
        return json_response(assistant_object(changed), headers=headers)

    async def delete(self, request: Request) -> Response:
        owner, id = named(request)
        await self._keeping.assistants.delete(owner, id)
        return json_response(deleted_object(id, "assistant"))


class ThreadRoutes:
    def __init__(self, calls: Calls, keeping: AssistantKeeping, *parts: Any) -> None:
        self._calls = calls
        self._keeping = keeping
        self._starting = RunStarting(keeping, *parts)

    @takes(ThreadCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ThreadCreateRequest)
        owner, fields = owner_of(request), body.fields()
        await self._starting.check_stores(owner, fields.stores)
        await self._starting.check_code_files(owner, fields.code_files)
        messages = body.new_messages("")
        async with self._starting.making(exchange_of(request.scope).identity) as making:
            fields = await making.fields(fields, body.new_store, messages)
            made = await self._keeping.create_thread(owner, fields, messages)
        return json_response(thread_object(made), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        return json_response(thread_object(await self._keeping.threads.find(*named(request))))

    @takes(ThreadUpdateRequest)
    async def update(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ThreadUpdateRequest)
        owner, id = named(request)
        await self._keeping.threads.find(owner, id)
        kept = body.kept()
        await self._starting.check_stores(owner, kept.get("stores"))
        await self._starting.check_code_files(owner, kept.get("code_files"))
        changed = await self._keeping.threads.update(owner, id, **kept)
        return json_response(thread_object(changed), headers=headers)

    async def delete(self, request: Request) -> Response:
        owner, id = named(request)
        thread = await self._keeping.threads.find(owner, id)
        await self._keeping.delete_thread(owner, id)
        await self._starting.forget(thread)
        return json_response(deleted_object(id, "thread"))

    @takes(MessageRequest)
    async def add_message(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, MessageRequest)
        owner, thread = named(request)
        made = body.message(thread)
        found = await self._keeping.threads.find(owner, thread)
        async with self._starting.making(exchange_of(request.scope).identity) as making:
            await self._starting.attach(making, found, [made], "attachments")
            await self._keeping.add_message(owner, made)
        return json_response(message_object(made), headers=headers)

    async def list_messages(self, request: Request) -> Response:
        query, headers = self._calls.query(request, MessageListQuery)
        thread = await self._keeping.threads.find(*named(request))
        found = await self._keeping.messages.page(thread.id, query.cursor(), query.run_id)
        return json_response(shown_page(found, message_object), headers=headers)

    async def retrieve_message(self, request: Request) -> Response:
        thread = await self._keeping.threads.find(*named(request))
        id = request.path_params["message_id"]
        return json_response(message_object(await self._keeping.messages.find(thread.id, id)))

    @takes(MetadataRequest)
    async def update_message(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, MetadataRequest)
        thread = await self._keeping.threads.find(*named(request))
        id = request.path_params["message_id"]
        changed = await self._keeping.messages.set_metadata(thread.id, id, body.metadata or {})
        return json_response(message_object(changed), headers=headers)

    async def delete_message(self, request: Request) -> Response:
        thread = await self._keeping.threads.find(*named(request))
        id = request.path_params["message_id"]
        await self._keeping.messages.delete(thread.id, id)
        return json_response(deleted_object(id, "thread.message"))


def owner_of(request: Request) -> str:
    return exchange_of(request.scope).owner


def named(request: Request) -> tuple[str, str]:
    """The owner and the id in the URL."""
    return owner_of(request), request.path_params["id"]


def shown_page(found: Found[T], render: Callable[[T], dict[str, Any]]) -> Page:
    shown = [render(item) for item in found.items]
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return Page(shown, first, last, found.has_more)
