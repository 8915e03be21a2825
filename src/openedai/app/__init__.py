"""create_app(settings): the only place where everything is wired together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import BaseRoute, WebSocketRoute

from openedai.api import routes, sockets
from openedai.api.console.pages import console_pages
from openedai.api.openapi import documentation
from openedai.api.route import Route
from openedai.app.http_layers import ERROR_HANDLERS, check_root_path, in_process, middleware
from openedai.app.job_handlers import READING, job_handlers
from openedai.app.lifespan import Lifespan
from openedai.app.model_pool import make_pool
from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.engines.process.early import EarlyStart
from openedai.jobs.jobs import LEASE_SECONDS
from openedai.jobs.runner import Runner
from openedai.media.addresses import HostPolicy
from openedai.media.images import ImageLimits, Images
from openedai.security.identities import Identities
from openedai.security.uses import KeyUses
from openedai.serving.models.downloads import Downloads
from openedai.serving.monitoring.metrics import Metrics
from openedai.serving.services import Services
from openedai.serving.tracing.spans import Tracing
from openedai.serving.vector_stores.handler import delete_left
from openedai.store.keys.lookup import KeyLookup
from openedai.store.sweeping import Sweeping
from openedai.weights.library import Library

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter


def create_app(
    settings: Settings,
    early: EarlyStart | None = None,
    *,
    job_lease: float = LEASE_SECONDS,
    limits_clock: Callable[[], float] | None = None,
    span_exporter: SpanExporter | None = None,
) -> Starlette:
    """The whole server as an ASGI app. When its lifespan ends, the pool is closed.

    `early` may have a worker that is already loading a model. If this server dies, another one
    takes its jobs after `job_lease` seconds. `limits_clock` is the clock for limits that a single
    server counts, in seconds since 1970; by default the machine's. `span_exporter` gets the traces,
    if they are on; by default one that sends them. Raises ConfigError.
    """
    tracing = _tracing(settings, span_exporter) if settings.traces else None
    catalog, metrics = Catalog(settings), Metrics()
    library = Library(settings)
    downloads = Downloads(library)
    pool = make_pool(settings, metrics, library, downloads, early)
    metrics.add_pool(pool)
    images = _images(settings)
    services = Services(
        *(settings, catalog, pool, metrics, images, library, downloads),
        started=int(time.time()),
        limits_clock=limits_clock,
        tracing=tracing,
    )
    served = routes(services)
    if settings.root_path:
        check_root_path(settings.root_path, served)
    lookup, uses = KeyLookup(services.store), KeyUses(services.store)
    app = Starlette(
        routes=_all_routes(served),
        lifespan=lambda app: app.state.lifespan.started(),
        exception_handlers=ERROR_HANDLERS,
        middleware=middleware(services, Identities(settings, lookup, uses), served),
    )
    app.router.redirect_slashes = False
    app.state.services = services
    app.state.routes = served
    app.state.perform = in_process(app, services).perform
    handlers = job_handlers(services, library, app.state.perform)
    runner = Runner(services.store, services.jobs, handlers, lease=job_lease)
    app.state.runner = runner
    sweeping = _sweeping(services)
    app.state.lifespan = Lifespan(services, runner, sweeping, lookup, uses, images, tracing)
    return app


def _all_routes(served: Sequence[Route]) -> list[BaseRoute]:
    """The routes of the API, its WebSockets and its reference, and the console."""
    return [
        *documentation(served),
        *console_pages(),
        *(route.served() for route in served),
        *(WebSocketRoute(socket.path, socket) for socket in sockets(served)),
    ]


def _sweeping(services: Services) -> Sweeping:
    return Sweeping(
        services.store,
        [
            services.files.sweep,
            services.uploads.sweep,
            services.keeping.responses.sweep,
            services.assistants.sweep,
            services.vector_stores.sweep,
            services.search_caches.sweep,
            services.containers.sweep,
            partial(delete_left, services.settings.data / READING),
            services.jobs.sweep,
            services.usage_records.sweep,
            services.limit_records.sweep,
            services.store.sweep,
        ],
    )


def _tracing(settings: Settings, exporter: SpanExporter | None) -> Tracing:
    from openedai.serving.tracing.provider import make_provider

    return Tracing(make_provider(exporter), (settings.host, settings.port))


def _images(settings: Settings) -> Images:
    limits = ImageLimits(
        max_count=settings.image_max_count,
        max_bytes=settings.image_max_bytes,
        max_pixels=settings.image_max_pixels,
        timeout=settings.image_timeout,
    )
    fetches = settings.image_urls and not settings.offline
    return Images(limits, HostPolicy.parse(settings.image_private_hosts) if fetches else None)
