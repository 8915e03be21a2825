"""Background responses whose servers are killed: each ends, whole or as failed, and its readers see
each event once; on both databases.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette

from openedai.app import create_app
from openedai.config import ModelSpec
from openedai.serving.responses.keeping import ResponseKeeping
from openedai.store.conversations.responses import OPEN, StoredResponse
from tests.support import echo_settings

LEASE = 1.0
WORDS = " ".join(f"w{number}" for number in range(60))
MODELS = (ModelSpec(id="slow", engine="echo", options={"slots": 64, "delay": 0.03}),)
PROGRAM = """
import sys
from tests.serving.responses.test_killing import serve
serve(*sys.argv[1:])
"""


def app_of(folder: Path, url: str) -> Starlette:
    database = {"database": url} if url else {}
    settings = echo_settings(data=folder, models=MODELS, chat_model="slow", **database)
    return create_app(settings, job_lease=LEASE)


@asynccontextmanager
async def running(folder: Path, url: str) -> AsyncIterator[Starlette]:
    app = app_of(folder, url)
    async with app.router.lifespan_context(app):
        yield app


def serve(folder: str, url: str) -> None:
    """A server without HTTP that makes responses until it is killed."""

    async def main() -> None:
        async with running(Path(folder), url):
            print("ready", flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())


def start(folder: Path, url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(folder), url]
    root = Path(__file__).parents[3]
    server = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return server


async def begin(app: Starlette, number: int, *, stream: bool) -> str:
    """A queued response, as a request would make it, before a server that is to be killed."""
    keeping: ResponseKeeping = app.state.services.keeping
    body = {"model": "slow", "input": f"{number} {WORDS}", "background": True, "stream": stream}
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
        {"body": body, "extra": {}, "caller": "me"},
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
        waiting = app_of(tmp_path, database_url)
        keeping: ResponseKeeping = waiting.state.services.keeping
        whole = [await begin(waiting, number, stream=False) for number in range(3)]
        streams = [await begin(waiting, number, stream=True) for number in range(3, 5)]
        server = await asyncio.to_thread(start, tmp_path, database_url)
        with server:
            readers = [asyncio.create_task(read(keeping, id)) for id in streams * 3]
            for id in streams:
                await until_events(keeping, id, 8)
            server.kill()
        async with running(tmp_path, database_url):
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
        await waiting.state.services.store.close()

    asyncio.run(scenario())
