"""Responses and conversations on both databases."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from openedai.errors import InvalidRequest, NotFound
from openedai.jobs.jobs import Jobs
from openedai.serving.responses.keeping import ResponseKeeping
from openedai.store.conversations.conversations import Item
from openedai.store.conversations.responses import StoredResponse
from openedai.store.store import Store


def run(store: Store, scenario: Callable[[ResponseKeeping], Awaitable[None]]) -> None:
    async def closing() -> None:
        try:
            await scenario(ResponseKeeping(store, Jobs(store), 0))
        finally:
            await store.close()

    asyncio.run(closing())


def response(id: str, previous: str | None = None, **fields: Any) -> StoredResponse:
    made = StoredResponse(
        id=id,
        owner="me",
        created_at=1.5,
        expires_at=None,
        status="completed",
        background=0,
        streamed=0,
        previous=previous,
        conversation=None,
        response=f'{{"id":"{id}"}}',
        output=f'[{{"id":"out_{id}"}}]',
        input=f'[{{"id":"in_{id}"}}]',
    )
    return replace(made, **fields)


def item(id: str) -> Item:
    return Item(id, f'{{"id":"{id}"}}')


def test_a_response_from_its_making_to_its_end(store: Store) -> None:
    async def scenario(keeping: ResponseKeeping) -> None:
        made = response("resp_1")
        await keeping.keep(made)
        assert await keeping.responses.find("me", "resp_1") == made
        assert made.json() == b'{"id":"resp_1","output":[{"id":"out_resp_1"}]}'
        assert await keeping.responses.item("me", "in_resp_1") == '{"id":"in_resp_1"}'
        assert await keeping.responses.item("them", "in_resp_1") is None
        with pytest.raises(NotFound):
            await keeping.delete("them", "resp_1")
        await keeping.delete("me", "resp_1")
        database = await store.database()
        for table in ("responses", "response_items", "response_events", "jobs"):
            assert await database.read(f"select * from {table}") == []

    run(store, scenario)


def test_chains(store: Store) -> None:
    async def scenario(keeping: ResponseKeeping) -> None:
        last = None
        for number in range(50):
            await keeping.keep(response(f"resp_{number}", last))
            last = f"resp_{number}"
        turns = await keeping.responses.history("me", "resp_49")
        assert [input for input, _ in turns] == [f'[{{"id":"in_resp_{n}"}}]' for n in range(50)]
        await keeping.keep(response("resp_theirs", "resp_3", owner="them"))
        await keeping.keep(response("resp_open", "resp_3", status="in_progress"))
        await keeping.delete("me", "resp_10")
        for owner, id, error, name in (
            ("them", "resp_49", NotFound, "resp_49"),
            ("them", "resp_theirs", NotFound, "resp_3"),
            ("me", "resp_49", NotFound, "resp_10"),
            ("me", "resp_\0", NotFound, "resp_"),
            ("me", "resp_open", InvalidRequest, "resp_open"),
        ):
            with pytest.raises(error, match=name):
                await keeping.responses.history(owner, id)
        assert len(await keeping.responses.history("me", "resp_9")) == 10

    run(store, scenario)


def test_expiry(store: Store) -> None:
    async def scenario(keeping: ResponseKeeping) -> None:
        for number in range(3):
            previous = f"resp_{number - 1}" if number else None
            await keeping.keep(response(f"resp_{number}", previous, expires_at=1.0 + number))
        await keeping.keep(response("resp_new", "resp_0", expires_at=time.time() + 99))
        with pytest.raises(NotFound):
            await keeping.responses.find("me", "resp_2")
        await keeping.responses.sweep()
        rows = await (await store.database()).read("select id from responses order by id")
        assert rows == [("resp_0",), ("resp_new",)]
        assert len(await keeping.responses.history("me", "resp_new")) == 2

    run(store, scenario)


def test_events(store: Store) -> None:
    async def scenario(keeping: ResponseKeeping) -> None:
        await keeping.begin(response("resp_1", status="queued", background=1, streamed=1), {})
        async with (await store.database()).write() as query:
            assert await keeping.responses.events.last(query, "resp_1") == -1
            await keeping.responses.events.add(query, "resp_1", 2, "0\n1\n2")
            await keeping.responses.events.add(query, "resp_1", 4, "3\n4")
            assert await keeping.responses.events.last(query, "resp_1") == 4

        async def read(after: int) -> list[bytes]:
            return [one async for some in keeping.events("me", "resp_1", after) for one in some]

        reading = [asyncio.create_task(read(after)) for after in (-1, 1, 3, 4, 9)]
        cancelled = await keeping.cancel("me", "resp_1")
        assert (cancelled.status, cancelled.response) == (
            "cancelled",
            '{"id":"resp_1","status":"cancelled"}',
        )
        found = [await one for one in reading]
        assert found == [[b"0", b"1", b"2", b"3", b"4"], [b"2", b"3", b"4"], [b"4"], [], []]
        assert await keeping.cancel("me", "resp_1") == cancelled

    run(store, scenario)


def test_conversations(store: Store) -> None:
    async def scenario(keeping: ResponseKeeping) -> None:
        conversations = keeping.conversations
        made = await conversations.create("me", "{}", [item("a"), item("b")])
        with pytest.raises(InvalidRequest):
            await conversations.add("me", made.id, [item("c"), item("a")])
        await conversations.add("me", made.id, [item("c")])
        kept = response("resp_1", conversation=made.id, input='[{"id":"a"}]')
        await keeping.keep(kept)
        ids = ["a", "b", "c", "out_resp_1"]
        page = await conversations.page("me", made.id, 9, order="asc")
        assert [one.id for one in page] == ids
        page = await conversations.page("me", made.id, 2, after="c")
        assert [one.id for one in page] == ["b", "a"]
        assert await conversations.find_item("me", "b") == '{"id":"b"}'
        assert await conversations.find_item("them", "b") is None
        assert await conversations.find_item("me", "\0") is None
        for act in (
            conversations.find("them", made.id),
            conversations.add("them", made.id, [item("d")]),
            conversations.page("them", made.id, 9),
            conversations.item("them", made.id, "a"),
            conversations.delete_item("them", made.id, "a"),
            conversations.set_metadata("them", made.id, "{}"),
            conversations.delete("them", made.id),
            keeping.keep(response("resp_2", owner="them", conversation=made.id)),
        ):
            with pytest.raises(NotFound):
                await act
        with pytest.raises(NotFound):  # nothing of it was kept
            await keeping.responses.find("them", "resp_2")
        await conversations.delete("me", made.id)
        database = await store.database()
        assert await database.read("select * from conversation_items") == []

    run(store, scenario)


def test_many_append_at_once(store: Store) -> None:
    async def scenario(keeping: ResponseKeeping) -> None:
        made = await keeping.conversations.create("me", "{}", [])
        await asyncio.gather(
            *(keeping.conversations.add("me", made.id, [item(f"i{n}")]) for n in range(20))
        )
        assert len(await keeping.conversations.all("me", made.id)) == 20

    run(store, scenario)
