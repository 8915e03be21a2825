"""Stored chats, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from openedai.errors import NotFound
from openedai.store.conversations.chats import PREFIX, StoredChat, StoredChats
from openedai.store.ids import ordered_id
from openedai.store.store import Store


def chat(owner: str = "me", metadata: str = "{}", model: str = "m") -> StoredChat:
    return StoredChat(ordered_id(PREFIX), owner, model, 1.5, metadata, '{"id":"x\\u0000"}', "[]")


def run(store: Store, scenario: Callable[[StoredChats], Awaitable[None]]) -> None:
    async def closing() -> None:
        try:
            await scenario(StoredChats(store))
        finally:
            await store.close()

    asyncio.run(closing())


def test_a_chat_from_its_making_to_its_end(store: Store) -> None:
    async def scenario(chats: StoredChats) -> None:
        made = chat(metadata='{"a":"\\u0000"}')
        await chats.insert(made)
        assert await chats.find("me", made.id) == made
        changed = await chats.set_metadata("me", made.id, '{"b":"2"}')
        assert changed.metadata == '{"b":"2"}'
        assert await chats.page("me", 9, metadata={"b": "2"}) == [changed]
        assert await chats.page("me", 9, metadata={"a": "\0"}) == []
        await chats.delete("me", made.id)
        assert await chats.page("me", 9) == []
        database = await store.database()
        assert await database.read("select * from stored_chat_metadata") == []

    run(store, scenario)


def test_each_owner_sees_its_own(store: Store) -> None:
    async def scenario(chats: StoredChats) -> None:
        mine, theirs = chat(metadata='{"a":"1"}'), chat("them", '{"a":"1"}')
        await chats.insert(mine)
        await chats.insert(theirs)
        assert await chats.page("me", 9, metadata={"a": "1"}) == [mine]
        for act in (
            chats.find("me", theirs.id),
            chats.set_metadata("me", theirs.id, "{}"),
            chats.delete("me", theirs.id),
            chats.find("me", "chatcmpl-\0'"),
        ):
            with pytest.raises(NotFound):
                await act
        assert await chats.find("them", theirs.id) == theirs

    run(store, scenario)


def test_pages(store: Store) -> None:
    async def scenario(chats: StoredChats) -> None:
        made = []
        for number in range(4):
            made.append(chat(metadata=f'{{"n":"{number % 2}","all":""}}', model=f"m{number // 2}"))
            await chats.insert(made[-1])
            await asyncio.sleep(0.002)  # ids sort by the millisecond
        assert await chats.page("me", 2) == made[:2]
        assert await chats.page("me", 2, after=made[1].id) == made[2:]
        assert await chats.page("me", 3, order="desc", after=made[3].id) == made[2::-1]
        assert await chats.page("me", 9, metadata={"n": "1", "all": ""}) == made[1::2]
        assert await chats.page("me", 9, metadata={"n": "1"}, model="m1") == [made[3]]

    run(store, scenario)
