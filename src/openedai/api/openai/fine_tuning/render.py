"""Jobs, events and checkpoints as the API shows them."""

from __future__ import annotations

from typing import Any

from openedai.store.fine_tuning import CheckpointRecord, EventRecord, JobRecord

ORGANISATION = "org-openedai"
_VALUES = ("n_epochs", "batch_size", "learning_rate_multiplier")


def job_object(job: JobRecord) -> dict[str, Any]:
    """Hyperparameters are `auto` until their values are known."""
    names = (*_VALUES, "beta") if job.method == "dpo" else _VALUES
    values = {name: job.values.get(name, job.given.get(name, "auto")) for name in names}
    return {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": int(job.created_at),
        "error": job.error,
        "fine_tuned_model": job.fine_tuned_model,
        "finished_at": _whole(job.finished_at),
        "hyperparameters": {name: values[name] for name in _VALUES},
        "method": {"type": job.method, job.method: {"hyperparameters": values}},
        "model": job.model,
        "organization_id": ORGANISATION,
        "result_files": job.result_files,
        "seed": job.seed,
        "status": job.status,
        "suffix": job.suffix,
        "trained_tokens": None if job.open else job.trained_tokens,
        "training_file": job.training_file,
        "validation_file": job.validation_file,
        "estimated_finish": _whole(job.estimated_finish) if job.status == "running" else None,
        "integrations": [],
        "metadata": job.metadata,
    }


def event_object(event: EventRecord) -> dict[str, Any]:
    return {
        "id": event.id,
        "object": "fine_tuning.job.event",
        "created_at": int(event.created_at),
        "level": event.level,
        "message": event.message,
        "type": event.type,
        "data": event.data,
    }


def checkpoint_object(checkpoint: CheckpointRecord) -> dict[str, Any]:
    return {
        "id": checkpoint.id,
        "object": "fine_tuning.job.checkpoint",
        "created_at": int(checkpoint.created_at),
        "fine_tuned_model_checkpoint": checkpoint.model,
        "fine_tuning_job_id": checkpoint.job,
        "metrics": {"step": checkpoint.step, **checkpoint.metrics},
        "step_number": checkpoint.step,
    }


def list_object(items: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """The first `limit` of the items; one more was read, to know whether there are more."""
    shown = items[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > limit,
    }


def _whole(time: float | None) -> int | None:
    return None if time is None else int(time)
