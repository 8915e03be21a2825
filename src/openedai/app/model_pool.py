"""How models are loaded: downloaded, completed and started."""

from __future__ import annotations

import asyncio
import logging

from openedai.catalog.models import adapter_specs
from openedai.config import ModelSpec, Settings, memory_bytes
from openedai.contract.adapter import Adapter
from openedai.contract.engine import Engine
from openedai.engines.load import load_engine
from openedai.engines.machine import usable_memory
from openedai.engines.process.early import EarlyStart
from openedai.engines.process.watchdog import SilenceLimits
from openedai.engines.registry import capabilities_of
from openedai.errors import APIError, Unavailable
from openedai.scheduling.pool import ModelPool
from openedai.scheduling.state import PoolLimits
from openedai.serving.models.downloads import Downloads
from openedai.serving.monitoring.metrics import Metrics
from openedai.weights.builds.installed import Builds
from openedai.weights.hidden_folders import without_folders
from openedai.weights.library import Library
from openedai.weights.progress import Progress

log = logging.getLogger("openedai.app")


def make_pool(
    settings: Settings,
    metrics: Metrics,
    library: Library,
    downloads: Downloads,
    early: EarlyStart | None,
) -> ModelPool:
    """The pool of models. `early` may have a worker that is already loading one."""
    builds = Builds(settings)
    silence = SilenceLimits(settings.ping_timeout, settings.progress_timeout, settings.load_timeout)

    async def load(spec: ModelSpec) -> Engine:
        try:
            return await load_here(spec)
        except APIError as error:
            log.warning("loading %s failed: %s", spec.id, error.message)
            sources = [spec.source, *(adapter.source for adapter in spec.adapters)]
            error.template = without_folders(error.template, [*sources, str(settings.cache_dir)])
            raise

    async def load_here(spec: ModelSpec) -> Engine:
        with downloads.pulling(spec.id) as progress:
            path = await asyncio.to_thread(library.pull, spec, progress)
            adapters = await asyncio.to_thread(_adapters, library, spec, progress)
        options = await asyncio.to_thread(builds.complete, spec.engine, spec.options)
        return await load_engine(spec.engine, spec.id, path, options, adapters, early, silence)

    total = usable_memory()
    limits = PoolLimits(
        memory_budget=memory_bytes(settings.memory_budget, total=total),
        idle_timeout=settings.idle_timeout,
        max_queue=settings.max_queue,
        queue_timeout=settings.queue_timeout,
    )
    return ModelPool(
        load,
        lambda spec: capabilities_of(spec.engine, spec.options),
        limits,
        estimate=lambda spec: library.size(spec) or library.download_size(spec) or 0,
        on_wait=metrics.record_wait,
    )


def _adapters(library: Library, spec: ModelSpec, progress: Progress) -> tuple[Adapter, ...]:
    """The adapters of a model, downloaded if possible. Empty for an engine without weights."""
    found = []
    for adapter, weights in zip(spec.adapters, adapter_specs(spec), strict=False):
        path, missing = "", None
        try:
            path = str(library.pull(weights, progress))
        except Unavailable as error:
            log.warning("loading %s failed: %s", weights.id, error.message)
            missing = without_folders(error.message, [adapter.source, str(library.cache_dir)])
        found.append(Adapter(name=adapter.name, path=path, scale=adapter.scale, missing=missing))
    return tuple(found)
