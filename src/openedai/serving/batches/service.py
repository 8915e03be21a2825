"""Making, finding and cancelling batches."""

from __future__ import annotations

import time
from typing import Any

from openedai.errors import InvalidRequest, NotFound, invalid_value
from openedai.identity import Identity
from openedai.jobs.jobs import RUNNING, Jobs
from openedai.serving.batches.validation import MAX_LINES
from openedai.store.batches import ENDED, PREFIX, Batch, BatchRecords
from openedai.store.files import Files
from openedai.store.ids import ordered_id
from openedai.store.store import Store

KIND = "batch"
MAX_FILE_BYTES = 200 << 20
WINDOWS = {"24h": 86400.0}

__all__ = ("KIND", "MAX_FILE_BYTES", "MAX_LINES", "WINDOWS", "Batches")


class Batches:
    def __init__(self, store: Store, files: Files, jobs: Jobs) -> None:
        self.records = BatchRecords(store)
        self._store = store
        self._files = files
        self._jobs = jobs

    async def create(self, *, identity: Identity, input_file_id: str, **fields: Any) -> Batch:
        """A new batch, which begins at once. Raises InvalidRequest for its input file."""
        await self._check_file(identity.project, input_file_id)
        now = time.time()
        batch = Batch(
            id=ordered_id(PREFIX),
            owner=identity.project,
            identity=identity,
            input_file_id=input_file_id,
            created_at=now,
            expires_at=now + WINDOWS[fields["completion_window"]],
            **fields,
        )
        async with (await self._store.database()).write() as query:
            await self.records.insert(query, batch)
            await self._jobs.add(query, KIND, batch.id, {"batch": batch.id})
        self._jobs.wake()
        return batch

    async def cancel(self, owner: str, id: str) -> Batch:
        """Begin to cancel a batch. Raises NotFound, and InvalidRequest for one that has ended."""
        await self.records.find(owner, id)
        async with (await self._store.database()).write() as query:
            state = await self._jobs.request(query, id, "cancel")
            ending = await self._jobs.lock(query, f"{id}.cancel")
            batch = await self.records.lock(query, id)
            if batch.status == "cancelled":
                return batch
            if batch.status in ENDED:
                raise InvalidRequest(f"Cannot cancel a batch with status '{batch.status}'.")
            if batch.status != "cancelling":
                batch.status, batch.cancelling_at = "cancelling", time.time()
                await self.records.update(query, batch)
            if state != RUNNING and ending is None:  # its answered lines are not in files yet
                await self._jobs.add(query, KIND, f"{id}.cancel", {"batch": id})
        self._jobs.wake()
        return batch

    async def _check_file(self, owner: str, id: str) -> None:
        try:
            record = await self._files.find(owner, id)
        except NotFound as error:
            raise invalid_value("input_file_id", f"there is no file '{id[:64]}'") from error
        if record.purpose != "batch":
            reason = f"the purpose of the file must be 'batch', but is '{record.purpose}'"
            raise invalid_value("input_file_id", reason)
        if record.bytes > MAX_FILE_BYTES:
            reason = f"the file has more than {MAX_FILE_BYTES} bytes, which is the maximum"
            raise invalid_value("input_file_id", reason)
