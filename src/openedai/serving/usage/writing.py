"""Writes records of usage in groups, off the path of requests."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress

from openedai.errors import APIError
from openedai.store.usage.records import UsageRecord, UsageRecords

log = logging.getLogger("openedai.usage")

# A group is written after this time, or when there are this many records.
SECONDS = 2.0
_GROUP = 1000
# After a failure the next attempt is made later and later.
_MOST_SECONDS = 60.0
# How many records may wait for a database that cannot be used; beyond that, the oldest are dropped.
MOST_WAITING = 20_000
_CLOSE_SECONDS = 5.0
_FLUSH_SECONDS = 1.0


class UsageWriter:
    """Nothing runs, and no database is opened, before the first record.

    A group is written `seconds` after its first record, or earlier.
    """

    def __init__(self, records: UsageRecords, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self.dropped = 0
        self._records = records
        self._waiting: deque[UsageRecord] = deque()
        self._group: list[UsageRecord] = []  # is written as a whole, or not at all
        self._task: asyncio.Task[None] | None = None
        self._now = asyncio.Event()
        self._written = asyncio.Event()
        self._closing = False
        self._failures = 0

    def __len__(self) -> int:
        """The records that are not written yet."""
        return len(self._waiting) + len(self._group)

    def add(self, record: UsageRecord) -> None:
        """Keep a record until it is written. Never waits, and never fails."""
        if len(self) >= MOST_WAITING:
            self._drop()
        self._waiting.append(record)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write_all())
        elif len(self._waiting) >= _GROUP and not self._failures:
            self._now.set()

    async def flush(self) -> None:
        """Write the waiting records now, as far as they fit into one group and the database can be
        used.
        """
        if self._task is None or self._failures:
            return
        self._written.clear()
        self._now.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._written.wait()

    async def close(self) -> None:
        """Write the waiting records, but do not wait for a database that cannot be used."""
        self._closing = True
        self._now.set()
        if (task := self._task) is not None:
            await asyncio.wait({task}, timeout=_CLOSE_SECONDS)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if len(self):
            log.error("the usage of %d requests was not written", len(self))

    def _drop(self) -> None:
        if self._waiting:
            self._waiting.popleft()
        self.dropped += 1

    async def _write_all(self) -> None:
        while len(self):
            if not self._closing and (self._failures or len(self._waiting) < _GROUP):
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await self._now.wait()
            self._now.clear()
            if not await self._write_group() and self._closing:
                return
        self._task = None

    def _pause(self) -> float:
        return float(min(self._seconds * 2 ** min(self._failures, 10), _MOST_SECONDS))

    async def _write_group(self) -> bool:
        """Write one group, and return whether it succeeded. A failure is logged only once until it
        succeeds again.
        """
        while self._waiting and len(self._group) < _GROUP and not self._failures:
            self._group.append(self._waiting.popleft())
        try:
            await self._records.write(self._group)
        except Exception as error:
            if not self._failures:
                known = isinstance(error, APIError)
                log.error(
                    "usage cannot be written now: %s It is tried again; of more than %d records "
                    "the oldest are dropped.",
                    *(error, MOST_WAITING),
                    exc_info=None if known else error,
                )
            self._failures += 1
            return False
        if self._failures:
            log.info("usage is written again; %d records were dropped so far", self.dropped)
        self._failures = 0
        self._group = []
        self._written.set()
        return True
