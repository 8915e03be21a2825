"""Records when keys were last used; written now and then, not with each request."""

from __future__ import annotations

import asyncio
import logging
import time

from openedai.errors import APIError
from openedai.store.keys.records import ApiKeys
from openedai.store.store import Store

log = logging.getLogger("openedai.security")

SECONDS = 30.0  # between two writes


class KeyUses:
    """`seconds` is how long a use may remain unwritten. A killed server loses these."""

    def __init__(self, store: Store, seconds: float = SECONDS) -> None:
        self._store = store
        self._keys = ApiKeys(store)
        self._seconds = seconds
        self._uses: dict[str, float] = {}
        self._writing: asyncio.Task[None] | None = None
        self._failing = False

    def note(self, id: str) -> None:
        """Note that this key was used now."""
        self._uses[id] = time.time()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_later())

    async def close(self) -> None:
        """Write what has not been written yet."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
            await self._write()

    async def _write_later(self) -> None:
        await asyncio.sleep(self._seconds)
        await self._write()
        self._writing = None

    async def _write(self) -> None:
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            async with (await self._store.database()).write() as query:
                await self._keys.note_uses(query, uses)
        except APIError as error:
            if not self._failing:
                log.warning("when keys were used cannot be written now: %s", error)
            self._failing = True
            self._uses = uses | self._uses  # they are written with the next use of a key
        else:
            self._failing = False
