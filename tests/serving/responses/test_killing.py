"""Background responses whose servers are killed: each ends, whole or as failed, and its readers see
each event once; on both databases.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from openedai.serving.responses.keeping import ResponseKeeping
from openedai.serving.services import Services
from openedai.store.conversations.responses import OPEN, StoredResponse
from tests.serving.servers import SHORT_LEASE, app_of, process, ready, running

WORDS = " ".join(f"w{number}" for number in range(60))


async def begin(keeping: ResponseKeeping, number: int, *, stream: bool, private: Any = None) -> str:
    """A queued response, as a request would make it, before a server that is to be killed."""
    body = {"model": "wide", "input": f"{number} {WORDS}", "background": True, "stream": stream}
    id = f"resp_{number}"
    await keeping.begin(
        StoredResponse(
            id=id,
            owner="me",
            created_at=1.0,
            expires_at=None,
            status="queued",
            background=1,
            streamed=int(stream),
            previous=None,
            conversation=None,
            response=f'{{"id":"{id}","status":"queued"}}',
            output="[]",
            input="[]",
        ),
        {"body": body, "extra": {}, "caller": "me", "private": private is not None},
        private,
    )
    return id


async def read(keeping: ResponseKeeping, id: str) -> list[Any]:
    """All events of a stream, as a reader gets them while it is made."""
    return [
        msgspec.json.decode(event)
        async for events in keeping.events("me", id, -1)
        for event in events
    ]


async def ended(keeping: ResponseKeeping, id: str) -> StoredResponse:
    while True:
        found = await keeping.responses.find("me", id)
        if found.status not in OPEN:
            return found
        await asyncio.sleep(0.05)


async def until_events(keeping: ResponseKeeping, id: str, number: int) -> None:
    async for events in keeping.events("me", id, number):
        if events:
            return


def test_a_server_is_killed_in_the_middle(tmp_path: Path, database_url: str) -> None:
    async def scenario() -> None:
        services: Services = app_of(tmp_path, database_url).state.services
        keeping = services.keeping
        whole = [await begin(keeping, number, stream=False) for number in range(3)]
        streams = [await begin(keeping, number, stream=True) for number in range(3, 5)]
        server = ready(process(tmp_path, database_url))
        with server:
            readers = [asyncio.create_task(read(keeping, id)) for id in streams * 3]
            for id in streams:
                await until_events(keeping, id, 8)
            server.kill()
        async with running(tmp_path, database_url, SHORT_LEASE):
            async with asyncio.timeout(60):
                seen = [await reader for reader in readers]
                ends = [await ended(keeping, id) for id in whole]
        for number, made in enumerate(ends):
            assert made.status == "completed"
            (output,) = msgspec.json.decode(made.output)
            assert output["content"][0]["text"] == f"{number} {WORDS}"
        for events in seen:
            assert [event["sequence_number"] for event in events] == list(range(len(events)))
            assert events[-1]["type"] == "response.failed"
            assert events[-1]["response"]["error"]["code"] == "server_error"
        assert seen[0] == seen[2] == seen[4]
        for id in streams:
            assert (await keeping.responses.find("me", id)).status == "failed"
        await services.store.close()

    asyncio.run(scenario())


def test_the_server_that_knew_the_credentials_is_gone(tmp_path: Path, database_url: str) -> None:
    """Before another one has begun: the response fails, and says why."""

    async def scenario() -> None:
        services: Services = app_of(tmp_path, database_url).state.services
        keeping = services.keeping
        ids = [await begin(keeping, n, stream=n == 1, private={0: "s3cret"}) for n in range(2)]
        async with (await services.store.database()).write() as query:
            await query.run("update jobs set server_until=0")  # as time goes by
        async with running(tmp_path, database_url, SHORT_LEASE), asyncio.timeout(60):
            seen = await read(keeping, ids[1])
            ends = [await ended(keeping, id) for id in ids]
        for made in ends:
            assert made.status == "failed"
            error = msgspec.json.decode(made.response)["error"]
            assert error["code"] == "server_error"
            assert "knew the credentials" in error["message"]
        assert seen[-1]["type"] == "response.failed"
        await services.store.close()

    asyncio.run(scenario())
