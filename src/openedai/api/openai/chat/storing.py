"""Answers that are stored once they are complete, for the parameter `store`."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec

from openedai.api.calls import Renderer
from openedai.api.openai.chat.render import ChatCompletionRenderer
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.parameters.streams import DONE
from openedai.errors import APIError
from openedai.http.body import add_warning
from openedai.serving.call import Call
from openedai.serving.outcome import Indexed, Outcome
from openedai.store.conversations.chats import StoredChat, StoredChats

log = logging.getLogger("openedai.api")


class StoringRenderer:
    """Renders as `renderer` does, and stores the answer as `plain` renders it, without sound.

    The answer is given even if it cannot be stored.
    """

    def __init__(
        self,
        renderer: Renderer[Any],
        plain: ChatCompletionRenderer,
        chats: StoredChats,
        call: Call[ChatCompletionRequest],
    ) -> None:
        self._renderer = renderer
        self._plain = plain
        self._chats = chats
        self._call = call
        self._outcomes = [Outcome() for _ in range(plain.choices)]

    async def whole(self, events: AsyncGenerator[Indexed, None]) -> Any:
        answer = await self._renderer.whole(self._heard(events))
        await self._store()
        return answer

    async def chunks(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[bytes, None]:
        """The answer is stored before the end of the stream."""
        async with aclosing(self._renderer.chunks(self._heard(events))) as frames:
            async for frame in frames:
                if frame == DONE:
                    await self._store()
                yield frame

    async def _heard(self, events: AsyncGenerator[Indexed, None]) -> AsyncGenerator[Indexed, None]:
        async with aclosing(events):
            async for pair in events:
                self._outcomes[pair[0]].add(pair[1])
                yield pair

    async def _store(self) -> None:
        try:
            await self._chats.insert(self._stored())
        except APIError as error:
            log.error("%s could not be stored: %s", self._plain.id, error.message)
            add_warning(self._call.headers, f"the answer was not stored: {error.message}")

    def _stored(self) -> StoredChat:
        completion = self._plain.completion(self._outcomes)
        return StoredChat(
            id=completion.id,
            owner=self._call.exchange.owner,
            model=completion.model,
            created_at=completion.created,
            metadata=msgspec.json.encode(self._call.body.metadata or {}).decode(),
            completion=msgspec.json.encode(completion).decode(),
            messages=self._call.body.messages_json(),
        )
