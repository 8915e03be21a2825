"""The handler of fine-tuning jobs. The code for training is imported when there is a job."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from openedai.jobs.handler import RunningJob
from openedai.serving.fine_tuning.parts import TrainingParts
from openedai.store.database import Query
from openedai.store.fine_tuning import KIND


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
