"""The handler of fine-tuning jobs. What trains is imported when there is a job."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from openedai.catalog.catalog import Catalog
from openedai.http.dialect import Dialect
from openedai.jobs.handler import RunningJob
from openedai.scheduling.pool import ModelPool
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.models.downloads import Downloads
from openedai.serving.usage.ends import Ends
from openedai.store.database import Query
from openedai.store.files import Files
from openedai.store.fine_tuning import KIND, FineTuningRecords
from openedai.store.store import Store
from openedai.weights.library import Library


@dataclass(frozen=True)
class TrainingParts:
    """`folder` is for the files of running jobs, `threads` are those of a process that trains."""

    store: Store
    records: FineTuningRecords
    files: Files
    pool: ModelPool
    catalog: Catalog
    tuned: TunedModels
    library: Library
    downloads: Downloads
    folder: Path
    threads: int
    dialect: Dialect
    ends: Ends


class FineTuningHandler:
    """One job at a time: each takes the cores that requests leave."""

    kind: ClassVar[str] = KIND
    slots = 1

    def __init__(self, parts: TrainingParts) -> None:
        self._parts = parts

    async def run(self, job: RunningJob) -> None:
        from openedai.serving.fine_tuning.attempt import Attempt

        await Attempt(self._parts, job).run()

    async def fail(self, query: Query, id: str, input: Any, reason: str) -> None:
        records = self._parts.records
        record = await records.locked(query, id)
        record.status, record.finished_at = "failed", time.time()
        record.error = {"code": "server_error", "message": reason, "param": None}
        await records.update(query, record)
        await records.add_event(query, id, reason, level="error")
