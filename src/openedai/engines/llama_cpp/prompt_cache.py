"""The computed prompts of a model's slots, kept on disk from an unload to the next load.

    <root>/<model>.prompts/                 for this user only: it holds whole conversations
    <root>/<model>.prompts/<key>-<n>.slot   slot n; another key means other weights

A file is taken away when it has been read, so a broken one does harm only once.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

from openedai.engines.llama_cpp.server.api import LlamaApi
from openedai.errors import APIError, EngineFailed

log = logging.getLogger("openedai.engines")

_SAVING = 5.0  # seconds that an unload may wait for it


class PromptCache:
    def __init__(self, folder: Path, key: str, slots: int) -> None:
        self.folder = folder
        self._key = key
        self._slots = slots

    @classmethod
    def open(cls, root: str, model: str, weights: Path, slots: int) -> Self:
        """That of `model` below `root`; what other weights left there is deleted. Blocking.

        Raises EngineFailed if the folder cannot be had.
        """
        folder = Path(root).expanduser().absolute() / f"{quote(model, safe='')}.prompts"
        try:
            cache = cls(folder, _identity(weights), slots)
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            for file in set(folder.glob("*.slot*")) - set(map(cache._file, range(slots))):
                file.unlink()
        except OSError as error:
            raise EngineFailed(f"The prompt cache of the model `{model}`: {error}.") from error
        return cache

    def _file(self, slot: int) -> Path:
        return self.folder / f"{self._key}-{slot}.slot"

    async def restore(self, api: LlamaApi) -> None:
        """Give each slot what it had. Raises OSError if the server dies of that."""
        for slot in range(self._slots):
            file = self._file(slot)
            if not await asyncio.to_thread(file.exists):
                continue
            try:
                await self._ask(api, "restore", slot, file.name)
            except APIError as error:
                log.warning("A kept prompt is of no use: %s", error.message)
            finally:
                await asyncio.to_thread(file.unlink, missing_ok=True)

    async def save(self, api: LlamaApi) -> None:
        """Write the slots that hold something, as far as that can be done soon."""
        with suppress(OSError, APIError, TimeoutError):
            async with asyncio.timeout(_SAVING):
                for slot in range(self._slots):
                    await self._save(api, slot)

    async def _save(self, api: LlamaApi, slot: int) -> None:
        file = self._file(slot)
        unfinished = file.with_name(f"{file.name}.part")
        try:
            if await self._ask(api, "save", slot, unfinished.name) > 0:
                await asyncio.to_thread(unfinished.rename, file)
        finally:
            unfinished.unlink(missing_ok=True)

    async def _ask(self, api: LlamaApi, action: str, slot: int, name: str) -> int:
        """Returns the number of tokens that were saved or restored."""
        answer = await api.ask("POST", f"/slots/{slot}?action={action}", {"filename": name})
        return int(answer[f"n_{action}d"])


def _identity(weights: Path) -> str:
    state = weights.stat()
    text = f"{weights.resolve()} {state.st_size} {state.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
