"""A server without HTTP that runs batches: in this process, or `apps.py FOLDER URL LEASE`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from openedai.app import create_app
from openedai.config import ModelSpec
from openedai.identity import Identity
from openedai.serving.services import Services
from openedai.store.batches import ENDED, Batch
from openedai.store.files import new_file
from tests.support import echo_settings

CHAT = "/v1/chat/completions"
MODELS = (
    ModelSpec(id="echo", engine="echo"),
    ModelSpec(id="slow", engine="echo", options={"slots": 2, "delay": 0.04}),
    ModelSpec(id="endless", engine="echo", options={"slots": 2, "delay": 3600}),
)


def app_of(folder: Path, url: str, lease: float = 15) -> Starlette:
    database = {"database": url} if url else {}
    return create_app(echo_settings(data=folder, models=MODELS, **database), job_lease=lease)


@asynccontextmanager
async def running(folder: Path, url: str, lease: float = 15) -> AsyncIterator[Services]:
    app = app_of(folder, url, lease)
    async with app.router.lifespan_context(app):
        services: Services = app.state.services
        yield services


def within(folder: Path, url: str, go: Callable[[Services], Awaitable[None]]) -> None:
    """Run with a server that runs batches."""

    async def run() -> None:
        async with running(folder, url) as services:
            await go(services)

    asyncio.run(run())


def line(custom_id: str, model: str, **body: Any) -> bytes:
    message = {"role": "user", "content": f"this is {custom_id}"}
    body = {"model": model, "messages": [message], **body}
    value = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}
    return json.dumps(value).encode()


async def start(services: Services, lines: Sequence[bytes]) -> Batch:
    async with services.files.writing("key") as writing:
        data = b"\n".join(lines)
        await writing.add(data)
        record = new_file("batch", "in.jsonl", len(data), "key")
        await services.files.create(record, writing)
    return await services.batches.create(
        identity=Identity(project="key"),
        input_file_id=record.id,
        endpoint=CHAT,
        completion_window="24h",
    )


async def until(services: Services, id: str, check: Callable[[Batch], bool]) -> Batch:
    async with asyncio.timeout(100):
        while True:
            batch = await services.batches.records.find("key", id)
            if check(batch):
                return batch
            await asyncio.sleep(0.02)


async def ended(services: Services, id: str) -> Batch:
    return await until(services, id, lambda batch: batch.status in ENDED)


async def lines_of(services: Services, file_id: str | None) -> list[dict[str, Any]]:
    if file_id is None:
        return []
    record = await services.files.find("key", file_id)
    data = b"".join([chunk async for chunk in services.files.read(record)])
    return [json.loads(text) for text in data.splitlines()]


async def main(folder: str, url: str, lease: str) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with running(Path(folder), url, float(lease)):
        print("ready", flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
