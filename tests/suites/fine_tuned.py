"""Jobs of fine-tuning and a model made by one, in a server's database; nothing is trained."""

from __future__ import annotations

from pathlib import Path

from openedai.jobs.jobs import Jobs
from openedai.security.callers import digest_name
from openedai.store.fine_tuning import (
    KIND,
    CheckpointRecord,
    FineTuningRecords,
    JobRecord,
    TunedModel,
)
from openedai.store.keys.secret import digest_of
from openedai.store.store import Store

# The model that the official client's tests name.
MODEL = "ft:gpt-4o-mini-2024-07-18:org:weather:B7R9VjQd"
_JOBS = 150  # some more than the tests name: these are the first page of the list
_SECONDS = 86400.0  # until they would be tried


async def fill(data: Path, key: str) -> None:
    """Queued jobs with an event and a checkpoint, and a model, of a key of the settings."""
    store = Store(data, "", "")
    records, jobs, owner = FineTuningRecords(store), Jobs(store), digest_name(digest_of(key))
    async with (await store.database()).write() as query:
        for number in range(_JOBS):
            id = f"ftjob-{number}"
            job = JobRecord(
                id=id,
                created_at=float(number),
                status="queued",
                model="model",
                training_file="file-1",
                owner=owner,
            )
            await records.insert(query, job)
            await jobs.add(query, KIND, id, {})
            await query.run("update jobs set run_at = run_at + $1 where id = $2", _SECONDS, id)
            await records.add_event(query, id, "The job is queued")
            metrics = {"step": 1.0, "train_loss": 0.5}
            checkpoint = CheckpointRecord(f"ftckpt-{number}", id, 1, float(number), MODEL, metrics)
            await records.add_checkpoint(query, checkpoint)
        await records.add_model(query, TunedModel(MODEL, "model", "ftjob-0", "content", 0.0, owner))
    await store.close()
