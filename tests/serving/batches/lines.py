"""The lines of batches, what becomes of them, and waiting for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from openedai.identity import Identity
from openedai.serving.services import Services
from openedai.store.batches import ENDED, Batch
from openedai.store.files import new_file

CHAT = "/v1/chat/completions"


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
