"""The computed prompts of a model's slots, kept on disk from an unload to the next load.

    <root>/<model>.prompts/                 for this user only: it holds whole conversations
    <root>/<model>.prompts/<key>-<n>.slot   slot n; another key means other weights

A file is deleted once it was read, so that a broken one does harm only once.
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

_SAVE_TIMEOUT = 5.0  # seconds


class PromptCache:
    """The saved slots of one model with one set of weights."""

    def __init__(self, folder: Path, key: str, slots: int) -> None:
        self.folder = folder
        self._key = key
        self._slots = slots

    @classmethod
    def open(cls, root: str, model: str, weights: Path, slots: int) -> Self:
        """The cache of `model` below `root`; files of other weights are deleted. Blocking.

        Raises EngineFailed if the folder cannot be used.
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
        """Restore each slot that was saved. Raises OSError if the server dies of that."""
        for slot in range(self._slots):
            file = self._file(slot)
            if not await asyncio.to_thread(file.exists):
                continue
            try:
                await self._call(api, "restore", slot, file.name)
            except APIError as error:
                log.warning("A kept prompt is of no use: %s", error.message)
            finally:
                await asyncio.to_thread(file.unlink, missing_ok=True)

    async def save(self, api: LlamaApi) -> None:
        """Save the slots that are not empty, as far as that succeeds within `_SAVE_TIMEOUT`."""
        with suppress(OSError, APIError, TimeoutError):
            async with asyncio.timeout(_SAVE_TIMEOUT):
                for slot in range(self._slots):
                    await self._save(api, slot)

    async def _save(self, api: LlamaApi, slot: int) -> None:
        file = self._file(slot)
        unfinished = file.with_name(f"{file.name}.part")
        try:
            if await self._call(api, "save", slot, unfinished.name) > 0:
                await asyncio.to_thread(unfinished.rename, file)
        finally:
            unfinished.unlink(missing_ok=True)

    async def _call(self, api: LlamaApi, action: str, slot: int, name: str) -> int:
        """The number of tokens that were saved or restored."""
        answer = await api.call("POST", f"/slots/{slot}?action={action}", {"filename": name})
        return int(answer[f"n_{action}d"])


def _identity(weights: Path) -> str:
    state = weights.stat()
    text = f"{weights.resolve()} {state.st_size} {state.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
