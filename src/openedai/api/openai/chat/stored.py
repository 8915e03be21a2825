"""`/v1/chat/completions`: the stored ones."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from openedai.api.calls import Calls
from openedai.api.openai.chat.stored_types import (
    ChatListQuery,
    ChatMessagesQuery,
    ChatUpdateRequest,
    chat_json,
    stored_messages,
)
from openedai.api.parameters.pages import page
from openedai.api.route import takes
from openedai.errors import invalid_value
from openedai.http.exchange import exchange_of
from openedai.http.respond import json_response
from openedai.store.conversations.chats import StoredChat, StoredChats


class StoredChatRoutes:
    def __init__(self, calls: Calls, chats: StoredChats) -> None:
        self._calls = calls
        self._chats = chats

    async def list_chats(self, request: Request) -> Response:
        query, headers = self._calls.query(request, ChatListQuery)
        chats = await self._chats.page(
            exchange_of(request.scope).owner,
            query.limit + 1,
            after=query.after,
            order=query.order,
            model=query.model,
            metadata=query.metadata,
        )
        return json_response(page(chats, query.limit, chat_json), headers=headers)

    async def retrieve(self, request: Request) -> Response:
        return json_response(chat_json(await self._find(request)))

    async def list_messages(self, request: Request) -> Response:
        query, headers = self._calls.query(request, ChatMessagesQuery)
        messages = list(stored_messages(await self._find(request)))
        if query.order == "desc":
            messages.reverse()
        if query.after is not None:
            ids = [message.id for message in messages]
            if query.after not in ids:
                raise invalid_value("after", "the chat has no such message")
            messages = messages[ids.index(query.after) + 1 :]
        return json_response(page(messages, query.limit), headers=headers)

    @takes(ChatUpdateRequest)
    async def update(self, request: Request) -> Response:
        body, headers = await self._calls.body(request, ChatUpdateRequest)
        owner, id = exchange_of(request.scope).owner, request.path_params["id"]
        metadata = msgspec.json.encode(body.metadata or {}).decode()
        chat = await self._chats.set_metadata(owner, id, metadata)
        return json_response(chat_json(chat), headers=headers)

    async def delete(self, request: Request) -> Response:
        id = request.path_params["id"]
        await self._chats.delete(exchange_of(request.scope).owner, id)
        return json_response({"id": id, "object": "chat.completion.deleted", "deleted": True})

    async def _find(self, request: Request) -> StoredChat:
        return await self._chats.find(exchange_of(request.scope).owner, request.path_params["id"])
