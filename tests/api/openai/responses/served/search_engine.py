"""A search engine that speaks the protocols of SearXNG and of Brave, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextmanager
def serving(app: web.Application) -> Iterator[str]:
    """The URL of the app, which is served while this is open."""
    loop = asyncio.new_event_loop()
    started, urls = threading.Event(), list[str]()
    stopped = asyncio.Event()

    async def serve() -> None:
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        started.set()
        await stopped.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert started.wait(20)
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(20)
        loop.close()


@dataclass
class SearchEngine:
    """What it finds, as its `url`, `title` and `text`; a query may fail, or never be answered."""

    url: str = ""
    found: list[tuple[str, str, str]] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    waiting: int = 0
    answer: Callable[[], web.Response] | None = None

    async def searxng(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(
            request,
            {"results": [{"url": u, "title": t, "content": c} for u, t, c in self.found]},
        )

    async def brave(self, request: web.Request) -> web.StreamResponse:
        results = [{"url": u, "title": t, "description": c} for u, t, c in self.found]
        return await self._answer(request, {"type": "search", "web": {"results": results}})

    async def _answer(self, request: web.Request, body: Any) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        self.headers.append(dict(request.headers))
        if request.query["q"].startswith("hang"):
            self.waiting += 1
            try:
                await asyncio.sleep(3600)
            finally:
                self.waiting -= 1
        if self.answer is not None:
            return self.answer()
        return web.json_response(body)


@contextmanager
def search_engine() -> Iterator[SearchEngine]:
    engine = SearchEngine()
    app = web.Application()
    app.router.add_get("/search", engine.searxng)
    app.router.add_get("/web/search", engine.brave)
    with serving(app) as engine.url:
        yield engine
