"""`openedai serve`: check the settings, bind, download, serve, shut down."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from openedai.api.openai.dialect import OPENAI
from openedai.api.sockets import SOCKETS
from openedai.catalog.defaults import CHAT, EMBEDDING
from openedai.cli import logs
from openedai.cli.banner import banner
from openedai.cli.listening.listener import Listener
from openedai.cli.listening.outside import Outside
from openedai.cli.listening.tunnel import TunnelFailed
from openedai.cli.messages import EXIT_USAGE, red, say
from openedai.config import ConfigError, ModelSpec, Settings
from openedai.errors import APIError
from openedai.http.server.protocol import LimitedProtocol, ProtocolLimits, limited_protocol

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from openedai.api.route import Route
    from openedai.catalog.catalog import Catalog
    from openedai.engines.process.early import EarlyStart
    from openedai.scheduling.pool import ModelPool


def serve(settings: Settings, *, pull: bool, early: EarlyStart | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C, then wait for running requests, and return."""
    from openedai.app import create_app

    refuse_open_server(settings)
    listener = Listener(settings)
    logs.configure(settings.log_format, settings.log_level)
    try:
        app = create_app(settings, early)
        outside = Outside(settings, app.state.services.public)
        catalog = app.state.services.catalog
        preload = catalog.preloaded(settings.preload)
        asyncio.run(app.state.services.store.check())
        if pull and not settings.offline:
            _pull_defaults(settings, catalog, preload)
    except (ConfigError, APIError, TunnelFailed) as error:
        say(f"{red('Configuration:')} {error}")
        listener.close()
        raise SystemExit(EXIT_USAGE) from error
    needs_key = bool(settings.keys) or _has_keys(settings)
    server = Server(
        uvicorn_config(app, settings, outside.tls),
        pool=app.state.services.pool,
        stop_jobs=app.state.runner.close,
        preload=preload,
        warm_up=partial(_import_chat, app.state.routes),
        on_preloaded=early.end if early else _nothing,
        on_ready=lambda: say(banner(catalog, listener, needs_key=needs_key)),
        open_outside=partial(outside.open, listener.address),
        close_outside=outside.close,
    )
    try:
        server.run(sockets=[listener.socket])
    finally:
        listener.close()
    if server.failure:
        say(f"{red('Not started:')} {server.failure}")
        raise SystemExit(1)


def refuse_open_server(settings: Settings) -> None:
    """Exit with EXIT_USAGE if other machines could use the server without a key."""
    trusted = (settings.on_loopback or settings.no_auth) and not settings.tunnel
    if settings.keys or trusted or _has_keys(settings):
        return
    way = "Make one with openedai keys create NAME --admin, or set OPENEDAI_API_KEY"
    if settings.tunnel:
        reason = "everyone could use the server through the tunnel, as no API key is set"
    else:
        reason = f"{settings.host} can be reached by others, and no API key is set"
        way += "; or say --no-auth if everyone who can reach it may use it"
    say(f"{red('Refused:')} {reason}.\n{way}.")
    raise SystemExit(EXIT_USAGE)


def _has_keys(settings: Settings) -> bool:
    """Whether the database has keys."""
    from openedai.store.keys.lookup import KeyLookup
    from openedai.store.store import Store

    async def ask() -> bool:
        store = Store(settings.data, settings.database.reveal() if settings.database else "")
        lookup = KeyLookup(store)
        try:
            return (await lookup.find("")).needed
        except APIError:  # a database that is not usable ends the start with its own message
            return False
        finally:
            lookup.close()
            await store.close()

    return asyncio.run(ask())


def _nothing() -> None:
    return


async def _nothing_awaited() -> None:
    return


def _import_chat(routes: Sequence[Route]) -> None:
    """Import what the first chat needs."""
    for route in routes:
        if route.path == "/v1/chat/completions":
            route.endpoint.handler()


class Server(uvicorn.Server):
    """uvicorn with models loaded before the first request, and exit code 0 after SIGTERM."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        pool: ModelPool,
        stop_jobs: Callable[[], Awaitable[None]] = _nothing_awaited,
        preload: Sequence[ModelSpec],
        on_ready: Callable[[], None],
        warm_up: Callable[[], None] = _nothing,
        on_preloaded: Callable[[], None] = _nothing,
        open_outside: Callable[[], Awaitable[None]] = _nothing_awaited,
        close_outside: Callable[[], Awaitable[None]] = _nothing_awaited,
    ) -> None:
        """`stop_jobs` is called on SIGTERM, before the requests have ended. `warm_up` is called in
        a thread while models are loaded, `on_preloaded` after that. `open_outside` is called once
        requests are accepted, and may raise TunnelFailed; `close_outside` is called when they have
        ended.
        """
        super().__init__(config)
        self.failure = ""
        self._stopped = asyncio.Event()
        self._pool = pool
        self._stop_jobs = stop_jobs
        self._preload = preload
        self._on_ready = on_ready
        self._warm_up = warm_up
        self._on_preloaded = on_preloaded
        self._open_outside = open_outside
        self._close_outside = close_outside

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await self._load()
        except APIError as error:
            self.failure = f"preloading failed: {error.message}"
            self.should_exit = True
        if self.should_exit:
            await self._pool.close()
            return
        await super().startup(sockets)
        if not self.started:
            return
        try:
            await self._unless_stopped(self._open_outside())
        except TunnelFailed as error:
            self.failure = str(error)
            self.should_exit = True
        if self.should_exit:
            await self.shutdown(sockets)
        else:
            self._on_ready()

    async def _load(self) -> None:
        if not self._preload:
            return
        warming = asyncio.create_task(asyncio.to_thread(self._warm_up))
        try:
            await self._unless_stopped(asyncio.gather(*map(self._pool.preload, self._preload)))
        finally:
            await warming
            self._on_preloaded()

    async def _unless_stopped(self, work: Awaitable[Any]) -> None:
        """Await `work`, and cancel it on SIGTERM."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.create_task(self._stopped.wait())
        try:
            either: set[asyncio.Future[Any]] = {working, stopping}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            stopping.cancel()
            working.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._stop_jobs()
        self._pool.stop_accepting()
        await super().shutdown(sockets)
        await self._close_outside()
        if self.force_exit:
            await self.lifespan.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, self._stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """The first signal lets running requests end, the second does not."""
        self.force_exit = self.should_exit
        self.should_exit = True
        asyncio.get_running_loop().call_soon_threadsafe(self._stopped.set)


def uvicorn_config(
    app: Starlette, settings: Settings, tls: ssl.SSLContext | None = None
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol(settings),
        ws="none",  # the protocol opens WebSockets itself
        ws_max_size=settings.max_body_bytes,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the app has a middleware for them
        ssl_context_factory=None if tls is None else lambda *_: tls,
        date_header=True,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(settings.grace_timeout),
    )


def protocol(settings: Settings) -> type[LimitedProtocol]:
    return limited_protocol(
        ProtocolLimits(
            settings.max_header_bytes,
            settings.receive_timeout,
            settings.send_timeout,
            SOCKETS | {settings.root_path.encode() + path for path in SOCKETS},
        ),
        OPENAI,
    )


def _pull_defaults(settings: Settings, catalog: Catalog, preload: list[ModelSpec]) -> None:
    from openedai.catalog.models import adapter_specs
    from openedai.weights.library import Library

    defaults = (catalog.default(CHAT), catalog.default(EMBEDDING))
    specs = (*(model.spec for model in defaults if model), *preload)
    weights = {spec.id: spec for spec in specs}
    adapters = {one.id: one for spec in specs for one in adapter_specs(spec)}
    library = Library(settings)
    if not all(library.ready(one) for one in (*weights.values(), *adapters.values())):
        from rich.console import Console

        from openedai.cli.models import pull_all

        console = Console(stderr=True, highlight=False)
        pull_all(settings, [*weights.values()], console, optional=[*adapters.values()])
