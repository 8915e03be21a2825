"""The stored limits of projects; changes reach every server within seconds."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from openedai.config.limits import Limits
from openedai.errors import APIError
from openedai.security.limits.rules import Subject
from openedai.serving.limits.limiting import Limiting
from openedai.store.limits import LimitRecords

log = logging.getLogger("openedai.limits")

_SECONDS = 2.0


class ProjectLimits:
    """Once the store is open, looks every two seconds for what other servers have changed."""

    def __init__(self, records: LimitRecords, limiting: Limiting) -> None:
        self._records = records
        self._limiting = limiting
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def effective(self, project: str, model: str) -> dict[str, int]:
        """The limits of a project for a model, by the names of the settings."""
        return self._limiting.rules.effective(Subject("", "", project, model))

    async def change(self, project: str, model: str, limits: Limits) -> None:
        """Store limits. Those that say something replace the stored ones."""
        await self.load()
        stored = self._limiting.rules.stored.get((project, model), Limits())
        values = msgspec.structs.asdict(limits)
        given = {name: value for name, value in values.items() if value is not None}
        text = msgspec.json.encode(msgspec.structs.replace(stored, **given)).decode()
        await self._records.set_project_limits(project, model, text)
        await self.load()

    async def load(self) -> None:
        """Read what is stored."""
        texts = await self._records.project_limits()
        stored = {
            subject: msgspec.json.decode(text, type=Limits) for subject, text in texts.items()
        }
        if stored != self._limiting.rules.stored:
            self._limiting.rules.stored = stored
            self._limiting.forget_scopes()

    async def _run(self) -> None:
        await self._records.store.opened.wait()
        while True:
            try:
                await self.load()
            except APIError as error:
                log.warning("the limits of projects could not be read: %s", error.message)
            await asyncio.sleep(_SECONDS)
