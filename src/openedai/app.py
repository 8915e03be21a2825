"""create_app(settings): the only place where everything is wired together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from openedai.api import response_jobs, routes, sockets
from openedai.api.assistant_routes import run_works
from openedai.api.console.pages import console_pages
from openedai.api.dialects import dialect_of
from openedai.api.openai.dialect import OPENAI, response_headers
from openedai.api.openapi import documentation
from openedai.api.organization_routes import unknown_url
from openedai.api.route import Route
from openedai.catalog.catalog import Catalog
from openedai.catalog.models import adapter_specs
from openedai.config import ConfigError, ModelSpec, Settings, memory_bytes
from openedai.contract.adapter import Adapter
from openedai.contract.engine import Engine
from openedai.engines.load import load_engine
from openedai.engines.machine import usable_cores, usable_memory
from openedai.engines.process.early import EarlyStart
from openedai.engines.process.watchdog import SilenceLimits
from openedai.engines.registry import capabilities_of
from openedai.errors import APIError, MethodNotAllowed, ModelNotFound, Unavailable
from openedai.extract.text import Limits
from openedai.http.envelope import Envelope
from openedai.http.exchange import exchange_of
from openedai.http.in_process import InProcess, Perform
from openedai.http.respond import error_response
from openedai.http.root_path import RootPath
from openedai.jobs.handler import Handler
from openedai.jobs.runner import LEASE_SECONDS, Runner
from openedai.media.addresses import HostPolicy
from openedai.media.images import ImageLimits, Images
from openedai.scheduling.pool import ModelPool
from openedai.scheduling.state import PoolLimits
from openedai.security.cross_origin import CrossOrigin
from openedai.security.guard import Guard
from openedai.security.identities import Identities
from openedai.security.uses import KeyUses
from openedai.serving.assistants.handler import RunHandler, Work
from openedai.serving.batches.handler import BatchHandler
from openedai.serving.fine_tuning.handler import FineTuningHandler, TrainingParts
from openedai.serving.metrics import Metrics
from openedai.serving.responses.handler import ResponseHandler, Step
from openedai.serving.services import Services
from openedai.serving.tracing.spans import Tracing
from openedai.serving.vector_stores.handler import VectorStoreHandler, delete_left
from openedai.store.assistants.runs import Run
from openedai.store.batches import LineError
from openedai.store.conversations.responses import StoredResponse
from openedai.store.keys.lookup import KeyLookup
from openedai.store.sweeping import Sweeping
from openedai.weights.builds.installed import Builds
from openedai.weights.hidden_folders import without_folders
from openedai.weights.library import Library
from openedai.weights.progress import LoggedProgress, Progress

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger("openedai.app")

# The folder, in that of the data, of files while their text is read.
_READING = "reading"
# Their models have no other names than those of the catalogue.
_NAMED_ONLY = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings"})


def create_app(
    settings: Settings,
    early: EarlyStart | None = None,
    *,
    job_lease: float = LEASE_SECONDS,
    limits_clock: Callable[[], float] | None = None,
    span_exporter: SpanExporter | None = None,
) -> Starlette:
    """The whole server as an ASGI app. The end of its lifespan closes the pool.

    `early` may have a worker that loads a model already. If this server dies, another one has its
    jobs after `job_lease` seconds. `limits_clock` is the clock of limits that one server counts, in
    seconds since 1970; by default the machine's. `span_exporter` gets the traces, if they are on;
    by default one that sends them. Raises ConfigError.
    """
    tracing = _tracing(settings, span_exporter) if settings.traces else None
    catalog = Catalog(settings)
    metrics = Metrics()
    library = Library(settings)
    pool = _pool(settings, metrics, library, early)
    metrics.add_pool(pool)
    images = _images(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        services.recent_logs.attach()
        await services.image_store.sweep()
        runner.start()
        sweeping.start()
        services.project_limits.start()
        yield
        await services.project_limits.close()
        await runner.close()
        await sweeping.close()
        await services.downloads.close()
        await pool.close()
        if services.usage is not None:
            await services.usage.close()
        await services.limiting.counts.close()
        services.search_caches.close()
        lookup.close()
        await uses.close()
        await services.containers.close()
        await services.store.close()
        images.close()
        if services.mcp_hosts is not None:
            services.mcp_hosts.close()
        services.image_threads.close()
        if tracing is not None:
            await tracing.close()
        services.recent_logs.detach()

    services = Services.of(
        *(settings, catalog, pool, metrics, images, library),
        started=int(time.time()),
        limits_clock=limits_clock,
        tracing=tracing,
    )
    store, jobs = services.store, services.jobs
    lookup, uses = KeyLookup(store), KeyUses(store)
    sweeping = Sweeping(
        store,
        [
            services.files.sweep,
            services.uploads.sweep,
            services.keeping.responses.sweep,
            services.assistants.sweep,
            services.vector_stores.sweep,
            services.search_caches.sweep,
            services.containers.sweep,
            partial(delete_left, settings.data / _READING),
            jobs.sweep,
            services.usage_records.sweep,
            services.limit_records.sweep,
            store.sweep,
        ],
    )
    served = routes(services)
    if settings.root_path:
        _check_root_path(settings.root_path, served)
    app = Starlette(
        routes=[
            *documentation(served),
            *console_pages(),
            *(route.served() for route in served),
            *(WebSocketRoute(socket.path, socket) for socket in sockets(served)),
        ],
        lifespan=lifespan,
        exception_handlers=_HANDLERS,
        middleware=_middleware(services, Identities(settings, lookup, uses)),
    )
    app.router.redirect_slashes = False
    app.state.services = services
    app.state.perform = _in_process(app, services).perform
    handlers = _handlers(services, library, app.state.perform)
    runner = Runner(store, jobs, handlers, lease=job_lease)
    app.state.runner = runner
    app.state.routes = served
    return app


def _tracing(settings: Settings, exporter: SpanExporter | None) -> Tracing:
    from openedai.serving.tracing.provider import make_provider

    return Tracing(make_provider(exporter), (settings.host, settings.port))


def _handlers(services: Services, library: Library, perform: Perform) -> Sequence[Handler]:
    """What runs the jobs of each kind."""
    settings = services.settings
    parts = TrainingParts(
        store=services.store,
        records=services.tuning_records,
        files=services.files,
        pool=services.pool,
        catalog=services.catalog,
        tuned=services.tuned,
        library=library,
        folder=settings.data / "training",
        threads=max(1, usable_cores() - settings.training_spare_cores),
        dialect=OPENAI,
        ends=services.ends,
    )
    return (
        FineTuningHandler(parts),
        _batch_handler(services, perform),
        _response_handler(services),
        _run_handler(services),
        VectorStoreHandler(
            services.store,
            services.vector_stores.files,
            services.files,
            services.store_embedding,
            settings.data / _READING,
            OPENAI,
            Limits(),
            services.ends,
        ),
    )


def _response_handler(services: Services) -> ResponseHandler:
    make = response_jobs(services)

    async def generate(response: StoredResponse, job: Any) -> AsyncGenerator[Step, None]:
        jobs = await asyncio.to_thread(make)
        async with aclosing(jobs.generate(response, job)) as steps:
            async for step in steps:
                yield step

    return ResponseHandler(services.keeping, generate)


def _run_handler(services: Services) -> RunHandler:
    make = run_works(services)

    async def begin(run: Run) -> Work:
        work: Work = (await asyncio.to_thread(make)).begin(run)
        return work

    return RunHandler(services.assistants, begin)


def _batch_handler(services: Services, perform: Perform) -> BatchHandler:
    catalog = services.catalog

    def check_model(endpoint: str, name: str) -> LineError | None:
        try:
            if endpoint in _NAMED_ONLY and not name.startswith("ft:"):
                catalog.resolve(name)
        except ModelNotFound as error:
            return LineError("model_not_found", error.message, "body.model")
        return None

    def slots(name: str | None) -> int:
        try:
            return 0 if name is None else services.pool.slots(catalog.resolve(name).spec)
        except ModelNotFound:
            return 0

    return BatchHandler(
        services.batches.records,
        services.files,
        services.store.contents,
        perform,
        check_model=check_model,
        slots=slots,
        max_body_bytes=services.settings.max_body_bytes,
    )


def _pool(
    settings: Settings, metrics: Metrics, library: Library, early: EarlyStart | None
) -> ModelPool:
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
        progress = LoggedProgress()
        try:
            path = await asyncio.to_thread(library.pull, spec, progress)
            adapters = await asyncio.to_thread(_adapters, library, spec, progress)
        finally:
            progress.stop()
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
    """The adapters of a model, downloaded if that can be. Empty for an engine without weights."""
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


def _images(settings: Settings) -> Images:
    limits = ImageLimits(
        max_count=settings.image_max_count,
        max_bytes=settings.image_max_bytes,
        max_pixels=settings.image_max_pixels,
        timeout=settings.image_timeout,
    )
    fetches = settings.image_urls and not settings.offline
    return Images(limits, HostPolicy.parse(settings.image_private_hosts) if fetches else None)


def _in_process(app: Starlette, services: Services) -> InProcess:
    routes = ExceptionMiddleware(app.router, _HANDLERS)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        await routes(scope, receive, send)

    settings = services.settings

    def envelope(inner: ASGIApp) -> Envelope:
        return _envelope(inner, services)

    return InProcess(serve, envelope, (settings.host, settings.port), "batch")


def _envelope(app: ASGIApp, services: Services) -> Envelope:
    return Envelope(
        app,
        dialect_of=dialect_of,
        headers_of=response_headers,
        on_end=services.ends.request,
        on_begin=services.activity.begin,
    )


def _middleware(services: Services, identities: Identities) -> list[Middleware]:
    settings, layers = services.settings, []
    if settings.root_path:
        layers.append(Middleware(RootPath, root_path=settings.root_path))
    if settings.trusted_proxies:
        trusted = list(settings.trusted_proxies)
        layers.append(Middleware(ProxyHeadersMiddleware, trusted_hosts=trusted))
    layers.append(Middleware(_envelope, services=services))
    if settings.cors_origins:
        layers.append(Middleware(CrossOrigin, settings=settings))
    guard = Middleware(Guard, settings=settings, identities=identities, public=services.public)
    layers.append(guard)
    return layers


def _check_root_path(root_path: str, served: Sequence[Route]) -> None:
    """Raises ConfigError where one of the server's own URLs begins like `root_path`."""
    first = root_path.split("/")[1]
    if any(route.path.split("/")[1] == first for route in served):
        raise ConfigError(f"root_path: the server has URLs that begin with /{first} themselves")


async def _api_error(request: Request, error: Exception) -> Response:
    return error_response(error, exchange_of(request.scope))


async def _unknown_url(request: Request, error: Exception) -> Response:
    refusal = unknown_url(request.method, request.scope["path"])
    return error_response(refusal, exchange_of(request.scope))


async def _wrong_method(request: Request, error: Exception) -> Response:
    refusal = MethodNotAllowed(
        f"Not allowed to {request.method} on {request.scope['path']}. "
        "(HINT: Perhaps you meant to use a different HTTP method?)",
        code="method_not_supported",
    )
    response = error_response(refusal, exchange_of(request.scope))
    response.headers["allow"] = ", ".join(sorted(_methods(request)))
    return response


def _methods(request: Request) -> set[str]:
    """The methods that the request's URL has."""
    return {
        method
        for route in request.app.routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods
    }


_HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    APIError: _api_error,
    404: _unknown_url,
    405: _wrong_method,
}
