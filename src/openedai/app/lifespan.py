"""What an app starts before its first request, and closes after its last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from openedai.jobs.runner import Runner
from openedai.media.images import Images
from openedai.security.uses import KeyUses
from openedai.serving.services import Services
from openedai.serving.tracing.spans import Tracing
from openedai.store.keys.lookup import KeyLookup
from openedai.store.sweeping import Sweeping


@dataclass(frozen=True)
class Lifespan:
    services: Services
    runner: Runner
    sweeping: Sweeping
    lookup: KeyLookup
    uses: KeyUses
    images: Images
    tracing: Tracing | None

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """Runs everything besides the requests until the app ends. Then all models are unloaded."""
        services = self.services
        services.recent_logs.attach()
        await services.image_store.sweep()
        self.runner.start()
        self.sweeping.start()
        services.project_limits.start()
        yield
        await services.project_limits.close()
        await self.runner.close()
        await self.sweeping.close()
        await services.downloads.close()
        await services.pool.close()
        if services.usage is not None:
            await services.usage.close()
        await services.limiting.counts.close()
        services.search_caches.close()
        self.lookup.close()
        await self.uses.close()
        await services.containers.close()
        await services.store.close()
        self.images.close()
        if services.mcp_hosts is not None:
            services.mcp_hosts.close()
        services.image_threads.close()
        if self.tracing is not None:
            await self.tracing.close()
        services.recent_logs.detach()
