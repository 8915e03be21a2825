"""Stores responses: with their items, in their conversations, and as jobs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import msgspec

from openedai.errors import InvalidRequest
from openedai.jobs.jobs import Jobs
from openedai.serving.streams.following import follow
from openedai.store.conversations.conversations import Conversations
from openedai.store.conversations.responses import (
    KIND,
    OPEN,
    Responses,
    StoredResponse,
    items_of,
)
from openedai.store.database import Query
from openedai.store.store import Store


class ResponseKeeping:
    """`lifetime` is how many seconds a response is kept; 0 means until it is deleted."""

    def __init__(self, store: Store, jobs: Jobs, lifetime: float) -> None:
        self.responses = Responses(store)
        self.conversations = Conversations(store)
        self.lifetime = lifetime
        self._store = store
        self._jobs = jobs

    def expiry(self, created_at: float) -> float | None:
        """When a response expires, in seconds since 1970."""
        return created_at + self.lifetime if self.lifetime else None

    async def keep(self, response: StoredResponse) -> None:
        """Store a response that has ended. Raises Unavailable; then nothing is stored."""
        async with (await self._store.database()).write() as query:
            await self.responses.insert(query, response)
            await self.extend_conversation(query, response)

    async def extend_conversation(self, query: Query, response: StoredResponse) -> None:
        """Append the input and the output to the response's conversation, in a transaction."""
        if response.conversation is not None:
            items = [*items_of(response.input), *items_of(response.output)]
            await self.conversations.append(
                query, response.owner, response.conversation, items, known="skip"
            )

    async def begin(self, response: StoredResponse, job: Any, private: Any = None) -> None:
        """Store a response that a job will make; `private` is what is never stored of it. Raises
        Unavailable; then there is no job.
        """
        async with (await self._store.database()).write() as query:
            await self.responses.insert(query, response)
            await self._jobs.add(query, KIND, response.id, job, private=private)
        self._jobs.wake()

    async def cancel(self, owner: str, id: str) -> StoredResponse:
        """The response, which is cancelled if it had not ended. Raises NotFound, and
        InvalidRequest for one that is not in the background.
        """
        found = await self.responses.find(owner, id)
        if not found.background:
            raise InvalidRequest(
                "Cannot cancel a response that is not in the background: close its connection.",
                code="invalid_value",
                param="response_id",
            )
        async with (await self._store.database()).write() as query:
            await self._jobs.request(query, id, "cancel")
            found = await self.responses.lock(query, id)
            if found.status in OPEN:
                found = replace(
                    found, status="cancelled", response=changed(found, status="cancelled")
                )
                await self.responses.update(query, found)
        self._jobs.wake()
        return found

    async def delete(self, owner: str, id: str) -> None:
        """Raises NotFound. Whoever works on it loses its job."""
        await self.responses.delete(owner, id)
        self._jobs.wake()

    def events(self, owner: str, id: str, after: int) -> AsyncGenerator[list[bytes], None]:
        """The events after the number `after`, as they come, up to the end: JSON, some at a time.

        Empty lists come while there are none.
        """

        async def has_ended() -> bool:
            return (await self.responses.find(owner, id)).status not in OPEN

        return follow(self.responses.events, id, after, has_ended)


def changed(response: StoredResponse, **fields: Any) -> str:
    """The JSON of the response with changed fields, without its output."""
    values = msgspec.json.decode(response.response)
    return msgspec.json.encode({**values, **fields}).decode()
