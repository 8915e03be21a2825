"""`/v1/conversations`: ordered items, to which clients and responses append."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.responses.conversations.types import (
    ConversationCreateRequest,
    ConversationObject,
    ConversationUpdateRequest,
    ItemCreateRequest,
    ItemListQuery,
    ItemQuery,
)
from openedai.api.openai.responses.input.items import AnyItem
from openedai.api.openai.responses.state.items import shown, stored_items
from openedai.api.parameters.pages import page
from openedai.api.route import takes
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.store.conversations.conversations import Conversations, Item


class ConversationRoutes:
    def __init__(self, calls: Calls, conversations: Conversations) -> None:
        self._calls = calls
        self._conversations = conversations

    @takes(ConversationCreateRequest)
    async def create(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ConversationCreateRequest)
        made = await self._conversations.create(
            exchange_of(request.scope).owner, _json(body.metadata), _stored(body.items)
        )
        return json_response(ConversationObject.of(made), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        found = await self._conversations.find(*_named(request))
        return json_response(ConversationObject.of(found))

    @takes(ConversationUpdateRequest)
    async def update(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ConversationUpdateRequest)
        changed = await self._conversations.set_metadata(*_named(request), _json(body.metadata))
        return json_response(ConversationObject.of(changed), headers=headers)

    async def delete(self, request: Request) -> Response:
        owner, id = _named(request)
        await self._conversations.delete(owner, id)
        return json_response({"id": id, "object": "conversation.deleted", "deleted": True})

    @takes(ItemCreateRequest)
    async def add_items(self, request: Request) -> Response:
        query, _ = self._calls.query(request, ItemQuery)
        body, headers = await self._calls.body(request, ItemCreateRequest)
        items = _stored(body.items)
        await self._conversations.add(*_named(request), items)
        made = page(items, len(items), lambda item: shown(item.json, query.include or ()))
        return json_response(made, headers=headers)

    async def list_items(self, request: Request) -> Response:
        query, headers = self._calls.query(request, ItemListQuery)
        items = await self._conversations.page(
            *_named(request), query.limit + 1, after=query.after, order=query.order
        )
        listed = page(items, query.limit, lambda item: shown(item.json, query.include or ()))
        return json_response(listed, headers=headers)

    async def retrieve_item(self, request: Request) -> Response:
        query, headers = self._calls.query(request, ItemQuery)
        item = await self._conversations.item(*_named(request), request.path_params["item_id"])
        return json_response(shown(item.json, query.include or ()), headers=headers)

    async def delete_item(self, request: Request) -> Response:
        """Delete an item; the answer is its conversation."""
        item_id = request.path_params["item_id"]
        changed = await self._conversations.delete_item(*_named(request), item_id)
        return json_response(ConversationObject.of(changed))


def _named(request: Request) -> tuple[str, str]:
    """The owner and the id of the conversation in the URL."""
    return exchange_of(request.scope).owner, request.path_params["id"]


def _json(metadata: dict[str, str] | None) -> str:
    return msgspec.json.encode(metadata or {}).decode()


def _stored(items: Sequence[AnyItem] | None) -> list[Item]:
    sent: list[dict[str, Any]] = [
        item.model_dump(exclude_unset=True, by_alias=True) for item in items or ()
    ]
    return stored_items(sent)
