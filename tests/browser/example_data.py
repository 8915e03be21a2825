"""What the pictures show: keys, what was used with them, files, and what was made of these."""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from pathlib import Path

from openai import OpenAI

from openedai.security.administration import Administration
from openedai.security.callers import digest_name
from openedai.store.fine_tuning import JOB, FineTuningRecords, JobRecord
from openedai.store.ids import ordered_id
from openedai.store.keys.records import ApiKey
from openedai.store.keys.secret import digest_of
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


STEPS = 60
PLANTS = {
    "leaves.txt": b"Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "roots.txt": b"Roots take up water and minerals, and hold the plant in the ground.",
    "flowers.txt": b"Flowers attract insects, which carry the pollen to other flowers.",
}


def write(data: Path, key: str) -> None:
    """Into the database of a server that does not run yet. A job of fine-tuning is of that key."""
    asyncio.run(_write(data, digest_name(digest_of(key))))


def upload(client: OpenAI) -> None:
    """A vector store and a batch, for a server that runs."""
    store = client.vector_stores.create(name="plants")
    for name, text in PLANTS.items():
        client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=(name, text))
    body = {"model": "text-embedding-3-small", "input": "A leaf."}
    line = {"method": "POST", "url": "/v1/embeddings", "body": body}
    lines = (json.dumps({"custom_id": f"leaf-{number}", **line}) for number in range(12))
    text = "\n".join(lines).encode()
    file = client.files.create(file=("leaves.jsonl", text), purpose="batch")
    client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")


async def _write(data: Path, owner: str) -> None:
    store = Store(data, "")
    administration = Administration(store)
    made = [(await administration.create_key(key)).key for key in KEYS]
    await UsageRecords(store, 1e9, 10**6).write(_usage(made))
    await _train(store, owner)
    await store.close()


async def _train(store: Store, owner: str) -> None:
    """A job that has trained, whose losses fall."""
    numbers = random.Random(7)
    records, now = FineTuningRecords(store), time.time()
    job = JobRecord(
        id=ordered_id(JOB),
        created_at=now - 400,
        status="succeeded",
        model="smollm2-135m-instruct",
        training_file="file-0mwxz85eyu154dgs7n034t92",
        validation_file="file-0mwxz85f2k7q1x8ch40b6yen",
        values={"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 1.0},
        suffix="pirate",
        owner=owner,
        finished_at=now - 60,
        trained_tokens=18_420,
        fine_tuned_model="ft:smollm2-135m-instruct:openedai:pirate:bzytwazx",
    )
    async with (await store.database()).write() as query:
        await records.insert(query, job)
        for step in range(1, STEPS + 1):
            loss = 0.3 + 4.5 * math.exp(-step / 12) + numbers.uniform(-0.15, 0.15)
            metrics = {"train_loss": loss, "train_mean_token_accuracy": 1 - loss / 6}
            if step % 5 == 0:
                metrics["valid_loss"] = loss + 0.2
            message = f"Step {step}/{STEPS}: training loss={loss:.3f}"
            await records.add_event(
                query, job.id, message, step=step, data={"step": step, **metrics}
            )


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
