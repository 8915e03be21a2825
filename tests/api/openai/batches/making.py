"""Batches that tests make, and their ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from openai import OpenAI
from openai.types import Batch

from tests.support import wait_until

CHAT: Final = "/v1/chat/completions"
ENDED = ("failed", "completed", "expired", "cancelled")


def line(custom_id: Any = "a", url: str = CHAT, **body: Any) -> dict[str, Any]:
    if url == CHAT:
        message = {"role": "user", "content": f"this is {custom_id}"}
        body = {"model": "echo", "messages": [message], **body}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


def upload(client: OpenAI, lines: Sequence[Any], purpose: Any = "batch") -> str:
    texts = [text if isinstance(text, str) else json.dumps(text) for text in lines]
    data = "\n".join(texts).encode("utf-8", "surrogateescape")
    return client.files.create(file=("in.jsonl", data), purpose=purpose).id


def start(client: OpenAI, lines: Sequence[Any], **options: Any) -> Batch:
    given: dict[str, Any] = {"endpoint": CHAT, "completion_window": "24h", **options}
    return client.batches.create(input_file_id=upload(client, lines), **given)


def until(client: OpenAI, id: str, check: Callable[[Batch], bool]) -> Batch:
    wait_until(lambda: check(client.batches.retrieve(id)), 60)
    return client.batches.retrieve(id)


def ended(client: OpenAI, batch: Batch) -> Batch:
    return until(client, batch.id, lambda one: one.status in ENDED)


def lines_of(client: OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    return [json.loads(text) for text in client.files.content(file_id).text.splitlines()]
