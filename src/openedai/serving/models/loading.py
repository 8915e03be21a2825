"""Downloading, loading and unloading models on request."""

from __future__ import annotations

import asyncio

from openedai.catalog.models import adapter_specs
from openedai.config import ModelSpec
from openedai.errors import Unavailable
from openedai.scheduling.pool import ModelPool
from openedai.scheduling.state import PoolStatus
from openedai.serving.models.downloads import Downloads
from openedai.weights.library import Library


class Loading:
    def __init__(self, pool: ModelPool, library: Library, downloads: Downloads) -> None:
        self._pool = pool
        self._library = library
        self._downloads = downloads

    def status(self) -> PoolStatus:
        """The models that were requested so far, and their states now."""
        return self._pool.snapshot()

    def loaded(self) -> list[str]:
        """The ids of the models that are loaded."""
        return [model.id for model in self._pool.snapshot().models if model.state == "ready"]

    async def load(self, spec: ModelSpec) -> None:
        """Load the model, if it is not loaded. Raises the error of the load."""
        await self._pool.preload(spec)

    async def unload(self, spec: ModelSpec) -> None:
        """Unload the model, if it is loaded. Raises Unavailable while requests use it."""
        if await self._pool.unload(spec.id):
            return
        states = {status.id: status.state for status in self._pool.snapshot().models}
        if states.get(spec.id) in ("loading", "ready"):
            raise Unavailable(
                f"The model `{spec.id}` is in use and cannot be unloaded now.",
                code="model_in_use",
                retry_after=1,
            )

    def expected_memory(self, spec: ModelSpec) -> int:
        """Bytes that the model takes when it is loaded; 0 where they are not known. Blocking."""
        return self._pool.expected_memory(spec)

    async def remove(self, spec: ModelSpec) -> int:
        """Delete what was downloaded for the model and its adapters. Returns how many bytes this
        frees. Raises Unavailable while requests use the model.
        """
        await self.unload(spec)
        freed = 0
        for one in (spec, *adapter_specs(spec)):
            freed += await asyncio.to_thread(self._library.remove, one)
        return freed

    async def unload_if_idle(self, spec: ModelSpec) -> None:
        """Unload the model, unless requests use it."""
        await self._pool.unload(spec.id)

    async def pull(self, spec: ModelSpec) -> None:
        """Download the missing files of the model and its adapters.

        After a cancellation, the next download resumes. Raises Unavailable.
        """
        with self._downloads.pulling(spec.id) as progress:
            for one in (spec, *adapter_specs(spec)):
                await asyncio.to_thread(self._library.pull, one, progress)
