"""What the pictures show: keys, and what was used with them in the last days."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from openedai.security.administration import Administration
from openedai.store.keys.records import ApiKey
from openedai.store.store import Store
from openedai.store.usage.records import UsageRecord, UsageRecords

DAY = 86400
KEYS = (
    ApiKey(project="", name="ops", owner="Ann", admin=True),
    ApiKey(project="", name="web-shop", owner="Bob", models=("qwen3-4b",), endpoints=("chat",)),
    ApiKey(project="", name="search", owner="Eve", endpoints=("embeddings", "vector_stores")),
    ApiKey(
        project="",
        name="trial",
        expires_at=time.time() + 30 * DAY,
        limits={"requests_at_once": 2, "tokens_per_day": 50_000},
    ),
)


def write(data: Path) -> None:
    """Into the database of a server that does not run yet."""
    asyncio.run(_write(data))


async def _write(data: Path) -> None:
    store = Store(data, "")
    administration = Administration(store)
    made = [(await administration.create_key(key)).key for key in KEYS]
    await UsageRecords(store, 1e9, 10**6).write(_usage(made))
    await store.close()


def _usage(keys: list[ApiKey]) -> list[UsageRecord]:
    """Of each day, key and model one record; the same numbers each time."""
    numbers = random.Random(7)
    records: list[UsageRecord] = []
    models = ("qwen3-4b", "llama-3.2-3b", "smollm2-135m-instruct")
    for day in range(30):
        for key in keys:
            for model in models:
                read = numbers.randrange(2_000, 60_000)
                records.append(
                    UsageRecord(
                        id=f"usage_{len(records):06}",
                        at=int(time.time()) - 60 - day * DAY,
                        request=f"req_{len(records)}",
                        kind="completions",
                        model=model,
                        route="/v1/chat/completions",
                        status=200,
                        project=key.project,
                        key=key.id,
                        prompt_tokens=read,
                        completion_tokens=read // 4,
                        input_cost=read * 1e-7,
                        output_cost=read * 1e-7,
                    )
                )
    return records
